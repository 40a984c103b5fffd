use std::{
    io::{self, Write},
    time::Duration,
};

use activelog_application::{
    ports::Journal,
    testing::{broker::event, memory_storage::MemoryStorage},
};
use tokio_util::sync::CancellationToken;

use super::tail;
use crate::cli::{OutputFormat, TailArgs, TailFrom};

async fn journal(events: u64) -> MemoryStorage {
    let journal = MemoryStorage::new();
    publish(&journal, 1, events).await;
    journal
}

async fn publish(journal: &MemoryStorage, from: u64, to: u64) {
    let name = |n: u64| if n.is_multiple_of(2) { "thing.changed" } else { "thing.made" };
    let events: Vec<_> = (from..=to).map(|n| event(name(n), "thing-1", n)).collect();
    journal.append(&events).await.expect("memory takes them");
}

async fn lines(journal: &MemoryStorage, args: &TailArgs) -> Vec<String> {
    let mut output = Vec::new();
    tail(journal, args, &mut output, &CancellationToken::new()).await.expect("memory can be read");
    String::from_utf8(output).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn all_events_are_printed_in_order() {
    let journal = journal(1_500).await;
    let printed = lines(&journal, &TailArgs { output: OutputFormat::Json, ..TailArgs::default() }).await;
    let position = |line: &String| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["position"].as_u64();
    let positions: Vec<_> = printed.iter().filter_map(position).collect();
    assert_eq!(positions, (1..=1_500).collect::<Vec<_>>(), "over several pages");
}

#[tokio::test]
async fn type_and_limit_choose_among_them() {
    let journal = journal(10).await;
    let types = vec!["*.made".parse().expect("a pattern")];
    let printed = lines(&journal, &TailArgs { types, limit: Some(3), ..TailArgs::default() }).await;
    assert_eq!(printed.len(), 3);
    assert!(printed.iter().all(|line| line.contains("thing.made") && line.contains("thing-1")), "{printed:?}");
    assert!(lines(&journal, &TailArgs { from: Some(TailFrom::Now), ..TailArgs::default() }).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn following_prints_what_is_published_later_until_it_is_told_to_stop() {
    let journal = journal(5).await;
    let args = TailArgs { follow: true, limit: Some(2), ..TailArgs::default() };
    let mut output = Vec::new();
    let cancel = CancellationToken::new();
    let later = async {
        // The clock is paused: this passes once the tail waits, which is after it has looked where the journal ends.
        tokio::time::sleep(Duration::from_secs(1)).await;
        publish(&journal, 6, 7).await;
    };
    let (ended, ()) = tokio::join!(tail(&journal, &args, &mut output, &cancel), later);
    ended.expect("memory can be read");
    assert_eq!(String::from_utf8(output).expect("UTF-8").lines().count(), 2);

    let endless = TailArgs { follow: true, ..TailArgs::default() };
    cancel.cancel();
    tail(&journal, &endless, &mut io::sink(), &cancel).await.expect("a clean end");
}

/// A reader that has gone away, as `head` does.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let journal = journal(5).await;
    tail(&journal, &TailArgs::default(), &mut Gone, &CancellationToken::new()).await.expect("a clean end");
}
