use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rdkafka::{
    Message,
    consumer::Consumer,
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode as Code,
};
use tokio::time::Instant;

use super::{
    error::is_missing,
    headers,
    session::{Session, partition},
};
use crate::broker::partitioned::{LogEntry, Room};

/// The most events taken in at once.
const BATCH: usize = 256;

/// How long nothing may be taken in before partitions are paused: until then the driver keeps what it has fetched.
const HOLD: Duration = Duration::from_millis(100);

/// How often it is looked whether there is room again.
const RECHECK: Duration = Duration::from_millis(2);

/// How long the driver is polled: settlements are written, and partitions given up, in between.
const BUSY: Duration = Duration::from_millis(5);

/// The same when nothing is unsettled.
const IDLE: Duration = Duration::from_millis(50);

/// A message, opened.
struct Taken {
    partition: i32,
    offset: i64,
    entry: LogEntry,
}

impl Session<'_> {
    /// Takes in what has come, as far as there is room.
    pub(super) fn take_in(&mut self) {
        let most = match self.assignment.room() {
            Room::Full if self.hold() => return,
            Room::Full => 1,
            Room::Low(_) if self.paused => 1,
            Room::Low(free) => free,
            Room::Free(free) => {
                if self.paused {
                    self.resume();
                }
                free
            }
        };
        if !self.paused {
            self.full_since = None;
        }
        let busy = self.leaving.is_some() || self.flight.is_some() || self.assignment.is_busy();
        let mut taken = Vec::new();
        let polled = self.poll(if busy { BUSY } else { IDLE }, most.clamp(1, BATCH), &mut taken);
        self.deliver(taken);
        if let Err(error) = polled {
            self.poll_failed(error);
        }
    }

    /// Polls until there is nothing more at the moment.
    fn poll(&self, wait: Duration, most: usize, taken: &mut Vec<Taken>) -> KafkaResult<()> {
        let mut next = self.consumer.poll(wait);
        while let Some(message) = next {
            let message = message?;
            let (partition, offset) = (message.partition(), message.offset());
            let event = headers::open_any(&message).inspect_err(|reason| {
                let topic = &self.topic;
                tracing::error!(topic, partition, offset, %reason, "a message is no CloudEvent that could be read; nobody gets it");
            });
            let position = u64::try_from(offset).unwrap_or(0) + 1;
            taken.push(Taken { partition, offset, entry: LogEntry { position, event: event.ok().map(Arc::new) } });
            if taken.len() >= most {
                break;
            }
            next = self.consumer.poll(Duration::ZERO);
        }
        Ok(())
    }

    fn deliver(&mut self, taken: Vec<Taken>) {
        let mut pages: BTreeMap<i32, Vec<LogEntry>> = BTreeMap::new();
        for Taken { partition: id, offset, entry } in taken {
            let Some(next) = self.next.get_mut(&id) else { continue };
            if offset < *next {
                let topic = &self.topic;
                tracing::warn!(
                    topic,
                    partition = id,
                    "the log ends before what was read of it: it was deleted; beginning anew"
                );
                pages.remove(&id);
                self.assignment.own(&[(partition(id), u64::try_from(offset).unwrap_or(0))]);
            }
            *next = offset + 1;
            pages.entry(id).or_default().push(entry);
        }
        if !pages.is_empty() {
            self.joining.worked();
            self.assignment.accept(pages.into_iter().map(|(id, page)| (partition(id), page)));
        }
    }

    /// There is no room. Waits a little, `true`; or pauses the partitions, so that the driver can be polled without anything coming.
    fn hold(&mut self) -> bool {
        if self.paused {
            return false;
        }
        let since = *self.full_since.get_or_insert_with(Instant::now);
        if since.elapsed() < HOLD {
            std::thread::park_timeout(RECHECK);
            return true;
        }
        let paused = self.consumer.assignment().and_then(|all| self.consumer.pause(&all));
        self.must(paused);
        self.paused = true;
        false
    }

    /// Has the driver fetch again.
    pub(super) fn resume(&mut self) {
        let resumed = self.consumer.assignment().and_then(|all| self.consumer.resume(&all));
        self.must(resumed);
        self.paused = false;
        self.full_since = None;
    }

    fn poll_failed(&mut self, error: KafkaError) {
        match error.rdkafka_error_code() {
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                let reason = self.fatal().unwrap_or_else(|| error.to_string());
                self.useless.get_or_insert(reason);
            }
            Some(code) if is_missing(code) => {
                self.member.monitor.nudge();
                self.reading_failed(error);
            }
            Some(
                Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::InvalidSessionTimeout
                | Code::InconsistentGroupProtocol
                | Code::GroupMaxSizeReached
                | Code::UnsupportedVersion,
            ) => self.reading_failed(error),
            // The driver connects again by itself; whether brokers answer is watched elsewhere.
            _ => tracing::debug!(%error, group = self.member.group, "while polling"),
        }
    }
}
