use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use futures::{StreamExt, stream};

use super::{FailedEvents, Remedy};
use crate::ports::{DeadLetter, StorageError, StorageErrorKind};

/// How many lanes of a page are worked on at once, so that a storage that commits together can.
const LANES_AT_ONCE: usize = 16;

/// How often one dead letter is tried again while others are in the way.
const CONTENTION_RETRIES: usize = 5;

/// What came of a page.
#[derive(Default)]
pub(super) struct PageTally {
    /// How many the remedy was applied to.
    pub(super) done: u64,
    /// How many were no longer dead.
    pub(super) skipped: u64,
    /// What made it stop.
    pub(super) failure: Option<StorageError>,
}

impl FailedEvents {
    /// Applies a remedy to a page that ascends. Lanes side by side, the letters of one lane one after the other: a worker may take a lane
    /// up again as soon as its first event is parked. A failure ends the page once what is under way has ended.
    pub(super) async fn remedy_page(&self, remedy: Remedy, page: Vec<DeadLetter>) -> PageTally {
        let mut lanes: BTreeMap<(String, String), Vec<i64>> = BTreeMap::new();
        for letter in page {
            let key = letter.addressed.event.partition_key.clone();
            lanes.entry((letter.addressed.handler, key)).or_default().push(letter.id);
        }
        let failed = AtomicBool::new(false);
        let lanes = stream::iter(lanes.into_values()).map(|ids| self.remedy_lane(remedy, ids, &failed));
        let mut tally = PageTally::default();
        let mut lanes = lanes.buffer_unordered(LANES_AT_ONCE);
        while let Some(PageTally { done, skipped, failure }) = lanes.next().await {
            tally.done += done;
            tally.skipped += skipped;
            tally.failure = tally.failure.or(failure);
        }
        tally
    }

    async fn remedy_lane(&self, remedy: Remedy, ids: Vec<i64>, failed: &AtomicBool) -> PageTally {
        let mut tally = PageTally::default();
        for id in ids {
            if failed.load(Ordering::Relaxed) {
                break;
            }
            match self.apply_patiently(remedy, id).await {
                Ok(true) => tally.done += 1,
                Ok(false) => tally.skipped += 1,
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    tally.failure = Some(error);
                }
            }
        }
        tally
    }

    async fn apply_patiently(&self, remedy: Remedy, id: i64) -> Result<bool, StorageError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(20))
            .with_max_times(CONTENTION_RETRIES)
            .with_jitter();
        (|| self.apply(remedy, id)).retry(pauses).when(|error| error.kind == StorageErrorKind::Contention).await
    }
}
