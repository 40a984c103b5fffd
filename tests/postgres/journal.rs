use std::{collections::HashSet, sync::Arc, time::Duration};

use activelog_application::ports::{Journal, JournalCursor, OutboxStore, Partition, partition_of};
use activelog_domain::event::EventEnvelope;

use crate::fixture::{database, event, record, relay_leases};

/// Movers and appenders at once: positions have no gap, every event has one, and no reader ever sees a hole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_have_no_gaps_under_concurrent_writers() {
    let Some((database, _)) = database().await else { return };
    let keys = ["a", "b", "c"];
    let events: Vec<EventEnvelope> = (0..300).map(|n| event(keys[n % keys.len()])).collect();
    record(&database, &events, 50).await;
    let leases = Arc::new(relay_leases(&database, "m", Duration::from_secs(60)).await);
    let mut writers = Vec::new();
    for _ in 0..4 {
        let (database, leases) = (database.clone(), Arc::clone(&leases));
        writers.push(tokio::spawn(async move {
            for key in keys.iter().cycle().take(60) {
                let partition = partition_of(key);
                database.complete_oldest(std::slice::from_ref(&leases[usize::from(partition.0)]), 7).await.unwrap();
            }
        }));
    }
    for _ in 0..2 {
        let database = database.clone();
        let (mine, theirs) = (event("a"), events[..40].to_vec());
        writers.push(tokio::spawn(async move {
            // Events that are on their way through the outbox as well: once is enough.
            for chunk in theirs.chunks(8) {
                database.append(chunk).await.unwrap();
            }
            database.append(&[mine.clone(), mine]).await.unwrap();
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(database.depth().await.unwrap().events, 0);
    let mut ids = HashSet::new();
    let heads = database.heads().await.unwrap();
    for partition in 0..16 {
        let entries = database.read(Partition(partition), 0, 1_000).await.unwrap();
        let positions: Vec<u64> = entries.iter().map(|entry| entry.position).collect();
        assert_eq!(positions, (1..=heads.0[usize::from(partition)]).collect::<Vec<_>>());
        ids.extend(entries.iter().map(|entry| entry.event.id));
    }
    assert_eq!(ids.len(), 302);
    assert!(events.iter().all(|event| ids.contains(&event.id)));
}

/// Pages of all partitions add up to the journal, each partition ascending.
#[tokio::test]
async fn reading_all_in_pages_sees_each_entry_once() {
    let Some((database, _)) = database().await else { return };
    let events: Vec<EventEnvelope> = (0..97).map(|n| event(&format!("key {n}"))).collect();
    for chunk in events.chunks(10) {
        database.append(chunk).await.unwrap();
    }
    let mut cursor = JournalCursor::default();
    let mut seen = HashSet::new();
    loop {
        let page = database.read_all(&cursor, 10).await.unwrap();
        if page.is_empty() {
            break;
        }
        for entry in page {
            let position = &mut cursor.0[usize::from(entry.partition.0)];
            assert_eq!(entry.position, *position + 1);
            *position = entry.position;
            assert!(seen.insert(entry.event.id));
        }
    }
    assert_eq!(seen.len(), events.len());
    assert_eq!(cursor, database.heads().await.unwrap());
}

/// Those who wait hear of a commit.
#[tokio::test]
async fn commits_ring_the_signals() {
    let Some((database, _)) = database().await else { return };
    let (mut outbox, mut journal) = (database.outbox_signal().listen(), database.journal_signal().listen());
    let long = Duration::from_secs(60);
    let event = event("a");
    record(&database, std::slice::from_ref(&event), 1).await;
    tokio::time::timeout(Duration::from_secs(5), outbox.wait(long)).await.expect("the commit rang");
    let partition = partition_of("a");
    let leases = relay_leases(&database, "m", long).await;
    database.complete_oldest(std::slice::from_ref(&leases[usize::from(partition.0)]), 1).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), journal.wait(long)).await.expect("the move rang");
}
