//! Whatever comes when and takes however long: each key's events begin one after the other, as if there were no other keys.

use std::{collections::BTreeMap, time::Duration};

use activelog_application::testing::FakeStorage;
use proptest::{collection::vec, prelude::*};
use tokio::time::{Instant, sleep};

use crate::{
    setting::{Doer, happened, run, until},
    stream::acked,
};

/// All times of the model are multiples of this. The timer's own grain is a tenth of it.
const UNIT: Duration = Duration::from_millis(10);

/// An event: its key, how long after the one before it comes, and how long its handler takes, in units.
type Coming = (u8, u32, u32);

/// When each event begins, as `key/sequence`: when it has come, and the one before it of its key has ended.
fn model(coming: &[Coming]) -> BTreeMap<String, u128> {
    let mut lanes: BTreeMap<u8, (u64, u32)> = BTreeMap::new();
    let mut now = 0;
    let mut begins = BTreeMap::new();
    for (key, gap, takes) in coming {
        now += gap;
        let (sequence, free) = lanes.entry(*key).or_default();
        *sequence += 1;
        let begin = now.max(*free);
        *free = begin + takes;
        begins.insert(format!("k{key}/{sequence}"), begin.into());
    }
    begins
}

/// When each event really began, in units.
async fn observed(coming: &[Coming]) -> BTreeMap<String, u128> {
    let mut takes = BTreeMap::new();
    let mut sequences: BTreeMap<u8, u64> = BTreeMap::new();
    let mut deliveries = Vec::new();
    for (key, gap, units) in coming {
        let sequence = sequences.entry(*key).or_default();
        *sequence += 1;
        takes.insert((format!("k{key}"), *sequence), UNIT * *units);
        deliveries.push((UNIT * *gap, format!("k{key}/{sequence}"), happened(&format!("k{key}"), *sequence)));
    }
    let handler = Doer::doing("one", move |event, _| {
        let takes = takes[&(event.key, event.sequence)];
        Box::pin(async move {
            sleep(takes).await;
            Ok(())
        })
    });
    let storage = FakeStorage::new();
    let running = run(&storage, &[&handler]);
    // Whole grains of the timer from here on.
    sleep(UNIT).await;
    let began = Instant::now();
    let mut wanted = Vec::new();
    for (gap, label, event) in deliveries {
        sleep(gap).await;
        running.feed.deliver(vec![(&label, event)]);
        wanted.push(acked(&label));
    }
    until("all are settled", async || running.feed.log.settled().len() == wanted.len()).await;
    running.feed.log.until(&wanted).await;
    let units = |at: Instant| ((at - began) + UNIT / 2).as_millis() / UNIT.as_millis();
    handler.calls().into_iter().zip(handler.instants().into_iter().map(units)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lanes_are_as_many_queues_with_one_server_each(coming in vec((0..4_u8, 0..4_u32, 0..8_u32), 0..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        prop_assert_eq!(runtime.block_on(observed(&coming)), model(&coming));
    }
}
