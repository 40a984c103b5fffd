use std::{collections::HashSet, sync::Arc};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use tokio::time::Instant;

use super::backlog::{Failing, waves, without};
use crate::ports::{EventPublisher, Lease, OutboxEntry, OutboxStore, PublishErrorKind, StorageError};

/// How many partitions one relay publishes at the same time.
const CONCURRENT_PARTITIONS: usize = 8;

/// A partition this relay owns, and what fails in it.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) lease: Lease,
    pub(super) failing: Failing,
}

impl Owned {
    pub(super) fn new(lease: Lease) -> Self {
        Self { lease, failing: Failing::default() }
    }
}

/// Publishes what waits in one pass over these partitions, side by side. Answers how many events were published. The first storage
/// error ends its partition's pass and is returned.
pub(super) async fn publish_all(
    owned: Vec<&mut Owned>,
    store: &Arc<dyn OutboxStore>,
    publisher: &Arc<dyn EventPublisher>,
    batch: u32,
) -> Result<u64, StorageError> {
    // Boxed, as the compiler cannot otherwise tell that a stream of borrowing futures may go to another thread.
    let passes: Vec<BoxFuture<'_, Result<u64, StorageError>>> =
        owned.into_iter().map(|partition| publish_one(partition, store, publisher, batch).boxed()).collect();
    let outcomes: Vec<_> = stream::iter(passes).buffer_unordered(CONCURRENT_PARTITIONS).collect().await;
    outcomes.into_iter().try_fold(0, |sum, outcome| Ok(sum + outcome?))
}

/// One pass over a partition: the first page of which something can be published. Held keys at the front do not hide what is behind
/// them, and a long backlog takes many passes, between which leases are renewed.
async fn publish_one(
    owned: &mut Owned,
    store: &Arc<dyn OutboxStore>,
    publisher: &Arc<dyn EventPublisher>,
    batch: u32,
) -> Result<u64, StorageError> {
    // One instant for the whole pass: a pause that ended between two pages would let later events of its key overtake the first.
    let now = Instant::now();
    if owned.failing.is_away(now) {
        return Ok(0);
    }
    let mut after = 0;
    let mut failed = HashSet::new();
    loop {
        let page = store.pending(owned.lease.partition, after, batch).await?;
        let Some(last) = page.last().map(|entry| entry.id) else { return Ok(0) };
        let mut published = 0;
        let full = page.len() >= batch as usize;
        for wave in waves(page, &owned.failing, now) {
            let done = publish_wave(owned, publisher, without(wave, &failed), &mut failed).await;
            if !done.is_empty() {
                published += store.complete(&owned.lease, &done).await?;
            }
            // The broker is away: trying the rest of the backlog would only fail, event by event.
            if owned.failing.is_away(Instant::now()) {
                return Ok(published);
            }
        }
        if published > 0 || !full {
            return Ok(published);
        }
        after = last;
    }
}

/// Publishes one wave. Answers the rows the broker has taken and adds the keys of the others to `failed`.
async fn publish_wave(
    owned: &mut Owned,
    publisher: &Arc<dyn EventPublisher>,
    wave: Vec<OutboxEntry>,
    failed: &mut HashSet<String>,
) -> Vec<i64> {
    let (rows, events): (Vec<i64>, Vec<_>) = wave.into_iter().map(|entry| (entry.id, entry.event)).unzip();
    if events.is_empty() {
        return rows;
    }
    let outcomes = publisher.publish_batch(&events).await;
    let mut done = Vec::with_capacity(rows.len());
    let mut away = None;
    for ((row, event), outcome) in rows.into_iter().zip(&events).zip(outcomes) {
        let Err(error) = outcome else {
            owned.failing.succeeded(&event.partition_key);
            done.push(row);
            continue;
        };
        failed.insert(event.partition_key.clone());
        if matches!(error.kind, PublishErrorKind::Unavailable | PublishErrorKind::Unknown | PublishErrorKind::Closed) {
            away = Some(error);
            continue;
        }
        let failures = owned.failing.failed(&event.partition_key, error.retry_after, Instant::now());
        let (id, name, subject) = (event.id, &event.name, &event.subject);
        match error.kind {
            PublishErrorKind::Rejected | PublishErrorKind::TooLarge => {
                tracing::error!(event = %id, name, subject, failures, %error,
                    "the broker refuses this event; it stays in the outbox and holds its aggregate");
            }
            _ => tracing::warn!(event = %id, name, subject, failures, %error, "event not published; trying again"),
        }
    }
    match away {
        Some(error) => {
            let failures = owned.failing.away(error.retry_after, Instant::now());
            if failures == 1 {
                tracing::warn!(partition = owned.lease.partition.0, %error,
                    "the broker does not take events; they wait in the outbox");
            }
        }
        None => owned.failing.back(),
    }
    done
}
