use std::{collections::HashMap, time::Duration};

use activelog_application::ports::{Partition, StorageError, StorageErrorKind};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
};
use tokio::time::Instant;

use super::{
    context::LogContext,
    monitor::{Offsets, offsets},
    off_thread::OffThread,
    session::{Session, partition},
};
use crate::broker::partitioned::LogEntry;

/// How long waiting for the group is no matter to speak of: members may have partitions to drain first.
const ADMISSION: Duration = Duration::from_secs(14);

/// How long a member waits for the group before it tries anew, though the brokers are well.
const ADMISSION_MAX: Duration = Duration::from_secs(45);

/// How long a membership goes unconfirmed before the member tries anew, though the brokers are well. While another drains for ten seconds none is confirmed.
const CONFIRMATION: Duration = Duration::from_secs(15);

/// How many looks in a row may find events that do not come, at first.
const LOOKS: u32 = 2;

/// How long it may take to look whether there is anything to read. A membership is confirmed for longer.
const SCOUT: Duration = Duration::from_secs(2);

/// How long the driver may take to begin at another offset.
const SEEK: Duration = Duration::from_secs(2);

/// What was seen of the partitions at the last look.
#[derive(Debug)]
pub(super) struct Watch {
    looks: u64,
    /// By partition: where reading stood, and where the log ended.
    before: HashMap<u16, (u64, u64)>,
    silent: u32,
    stuck: u32,
    /// Since when partitions have no owner.
    pub(super) ownerless: Option<Instant>,
}

impl Watch {
    pub(super) fn new(stuck: u32) -> Self {
        Self { looks: 0, before: HashMap::new(), silent: 0, stuck, ownerless: None }
    }

    pub(super) fn stuck(&self) -> u32 {
        self.stuck
    }
}

impl Session<'_> {
    /// Notices what the driver does not tell: that it is not admitted, not confirmed, that nothing comes, or that the log is another.
    pub(super) fn look_around(&mut self) {
        let (looks, ends) = self.member.monitor.ends();
        if let Some(since) = self.waiting.filter(|since| since.elapsed() > ADMISSION) {
            let reason = format!("for {} s", since.elapsed().as_secs());
            let error =
                StorageError::new(StorageErrorKind::Unavailable, "the group has not admitted this member", reason);
            let _pause = self.waiting_outage.failed(&error);
            if since.elapsed() > ADMISSION_MAX && self.member.monitor.well_for() > ADMISSION {
                self.useless.get_or_insert_with(|| "the group does not admit this member".to_owned());
            }
        }
        if looks == self.watch.looks {
            return;
        }
        self.watch.looks = looks;
        let owned = self.assignment.read_to();
        if let Some(reason) = self.fatal() {
            self.useless.get_or_insert(reason);
        }
        self.look_for_owners();
        let unconfirmed = !owned.is_empty() && self.confirmed.elapsed() > CONFIRMATION;
        if unconfirmed && self.member.monitor.well_for() > CONFIRMATION {
            self.useless.get_or_insert_with(|| "the group does not confirm this member".to_owned());
        }
        self.look_at_partitions(&owned, &ends);
    }

    fn look_at_partitions(&mut self, owned: &[(Partition, u64)], ends: &Offsets) {
        let mut silent = false;
        let before = std::mem::take(&mut self.watch.before);
        for (id, read_to) in owned {
            let Some(end) = ends.get(&i32::from(id.0)).and_then(|end| u64::try_from(*end).ok()) else { continue };
            if let Some((read_before, end_before)) = before.get(&id.0) {
                // Read before this look began: a log that ends there now has been deleted meanwhile.
                if end < *read_before && read_before == read_to && self.is_shorter(i32::from(id.0), *read_to) {
                    self.begin_anew(i32::from(id.0));
                    continue;
                }
                if read_before != read_to {
                    self.watch.stuck = 0;
                }
                let waits = read_before == read_to && read_to < end_before && self.full_since.is_none() && !self.paused;
                if waits && !silent && self.nothing_between(i32::from(id.0), *read_to, *end_before) {
                    self.pass_over(*id, *end_before);
                    self.watch.before.insert(id.0, (*end_before, end));
                    continue;
                }
                silent |= waits;
            }
            self.watch.before.insert(id.0, (*read_to, end));
        }
        if !silent {
            self.watch.silent = 0;
            self.joining.worked();
            return;
        }
        self.watch.silent += 1;
        if self.watch.silent > LOOKS << self.watch.stuck.min(8) {
            self.watch.stuck += 1;
            self.useless.get_or_insert_with(|| "events are there and do not come".to_owned());
        }
    }

    /// Whether no message is between two offsets: what ends a transaction of another program's producer takes offsets, and the driver does not tell of it.
    fn nothing_between(&self, id: i32, from: u64, to: u64) -> bool {
        let nothing = || -> KafkaResult<bool> {
            let config = self.member.settings.scout(&self.member.group);
            let scout = OffThread::new(BaseConsumer::from_config_and_context(&config, LogContext)?);
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&self.topic, id, Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX)))?;
            scout.assign(&list)?;
            let deadline = Instant::now() + SCOUT;
            while Instant::now() < deadline {
                match scout.poll(Duration::from_millis(50)) {
                    Some(Ok(message)) => return Ok(u64::try_from(message.offset()).is_ok_and(|offset| offset >= to)),
                    Some(Err(KafkaError::PartitionEOF(_))) => return Ok(true),
                    Some(Err(_)) | None => {}
                }
            }
            Ok(false)
        };
        nothing().unwrap_or_else(|error| {
            tracing::debug!(%error, partition = id, "cannot look whether there is anything to read");
            false
        })
    }

    /// Goes on behind offsets at which there is no message.
    fn pass_over(&mut self, id: Partition, to: u64) {
        if let (Some(next), Ok(to)) = (self.next.get_mut(&i32::from(id.0)), i64::try_from(to)) {
            *next = to.max(*next);
        }
        self.assignment.accept([(id, vec![LogEntry { position: to, event: None }])]);
    }

    /// Whether the log ends before `position` now: a look may be older than what was read meanwhile.
    fn is_shorter(&self, id: i32, position: u64) -> bool {
        let ends = offsets(&self.consumer, &self.topic, &[id], Offset::End);
        ends.is_ok_and(|ends| ends.get(&id).is_some_and(|end| u64::try_from(*end).unwrap_or(0) < position))
    }

    /// The driver begins at the first offset by itself only while the log is shorter than what was read of it: it is told to.
    fn begin_anew(&mut self, id: i32) {
        let topic = &self.topic;
        tracing::warn!(
            topic,
            partition = id,
            "the log ends before what was read of it: it was deleted; beginning anew"
        );
        self.next.insert(id, 0);
        self.assignment.own(&[(partition(id), 0)]);
        if let Err(error) = self.consumer.seek(topic, id, Offset::Beginning, SEEK) {
            self.useless.get_or_insert_with(|| format!("the log was deleted and cannot be begun anew: {error}"));
        }
    }
}
