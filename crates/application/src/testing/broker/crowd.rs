use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use activelog_domain::event::EventEnvelope;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Outcome,
    scene::{Reader, ack, nack},
};

/// Many streams of one group that together have to take every expected event.
///
/// Where order is promised it watches it: per key, events are acknowledged one after the other without a gap, and no stream gets an event
/// of a key while another has not settled one.
pub(super) struct Crowd {
    watch: Mutex<Watch>,
    done: CancellationToken,
    ordered: bool,
    /// One delivery in so many is given back; 0 for none.
    nack_one_in: u32,
}

#[derive(Default)]
struct Watch {
    missing: HashSet<Uuid>,
    keys: HashMap<String, KeyWatch>,
    failure: Option<String>,
}

#[derive(Default)]
struct KeyWatch {
    holder: Option<usize>,
    unsettled: usize,
    acknowledged: u64,
}

impl Crowd {
    /// For these events. In an ordered crowd the sequences of each key are 1, 2, 3 …
    pub(super) fn new(expected: &[EventEnvelope], ordered: bool, nack_one_in: u32) -> Arc<Self> {
        let missing = expected.iter().map(|event| event.id).collect();
        let watch = Mutex::new(Watch { missing, ..Watch::default() });
        Arc::new(Self { watch, done: CancellationToken::new(), ordered, nack_one_in })
    }

    /// Consumes through all readers until nothing is missing.
    pub(super) async fn consume(self: Arc<Self>, readers: Vec<Reader>, patience: Duration) -> Outcome {
        let mut tasks = JoinSet::new();
        for (stream, reader) in readers.into_iter().enumerate() {
            tasks.spawn(Arc::clone(&self).member(stream, reader, CancellationToken::new()));
        }
        self.finish(tasks, patience).await
    }

    /// Waits until nothing is missing.
    pub(super) async fn finish(&self, mut tasks: JoinSet<Outcome>, patience: Duration) -> Outcome {
        let in_time = tokio::time::timeout(patience, self.done.cancelled()).await.is_ok();
        self.done.cancel();
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|e| e.to_string())??;
        }
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        match &watch.failure {
            Some(failure) => Err(failure.clone()),
            None if in_time => Ok(()),
            None => Err(format!("{} events did not arrive within {patience:?}", watch.missing.len())),
        }
    }

    /// Consumes through one reader until nothing is missing or `leave` is cancelled; then closes the stream.
    pub(super) async fn member(
        self: Arc<Self>,
        stream: usize,
        mut reader: Reader,
        leave: CancellationToken,
    ) -> Outcome {
        loop {
            let batch = tokio::select! {
                () = self.done.cancelled() => break,
                () = leave.cancelled() => break,
                batch = reader.stream().next() => batch.ok_or("the stream ended")?,
            };
            for delivery in &batch {
                self.received(stream, &delivery.event);
            }
            // Lets the other streams run while these are unsettled.
            tokio::task::yield_now().await;
            let mut given_back: HashSet<String> = HashSet::new();
            for delivery in batch {
                let key = delivery.event.partition_key.clone();
                let refuse = self.nack_one_in > 0 && fastrand::u32(..self.nack_one_in) == 0;
                if refuse || given_back.contains(&key) {
                    // Later ones of the key must not overtake it.
                    self.settled(stream, &delivery.event, false);
                    given_back.insert(key);
                    nack(delivery, Duration::ZERO).await?;
                } else {
                    self.settled(stream, &delivery.event, true);
                    // Lost settlements lead to another delivery, which is allowed.
                    let _lost = ack(delivery).await;
                }
            }
        }
        reader.close().await
    }

    fn received(&self, stream: usize, event: &EventEnvelope) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let key = watch.keys.entry(event.partition_key.clone()).or_default();
        let foreign = self.ordered && key.unsettled > 0 && key.holder != Some(stream);
        key.holder = Some(stream);
        key.unsettled += 1;
        if foreign {
            self.fail(&mut watch, || format!("{} reached two streams at once", event.partition_key));
        }
    }

    /// Told before the broker is, so that what the broker does next is not seen too early.
    fn settled(&self, _stream: usize, event: &EventEnvelope, acknowledged: bool) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let key = watch.keys.entry(event.partition_key.clone()).or_default();
        key.unsettled = key.unsettled.saturating_sub(1);
        if !acknowledged {
            return;
        }
        let before = key.acknowledged;
        key.acknowledged = before.max(event.sequence);
        if self.ordered && event.sequence > before + 1 {
            let reason = || format!("{}: event {} came after event {before}", event.partition_key, event.sequence);
            self.fail(&mut watch, reason);
        }
        watch.missing.remove(&event.id);
        if watch.missing.is_empty() {
            self.done.cancel();
        }
    }

    fn fail(&self, watch: &mut Watch, reason: impl FnOnce() -> String) {
        watch.failure.get_or_insert_with(reason);
        self.done.cancel();
    }

    /// How many events are still missing.
    pub(super) fn missing(&self) -> usize {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).missing.len()
    }
}
