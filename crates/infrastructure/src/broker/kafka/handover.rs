use std::time::Duration;

use activelog_application::ports::Partition;
use rdkafka::{Offset, TopicPartitionList, consumer::Consumer, error::KafkaResult};
use tokio::time::Instant;

use super::{
    error::storage_error,
    member_context::{accept, give_up},
    monitor::offsets,
    session::{Session, partition},
};

/// How long partitions that go to another member wait for their unsettled events.
const DRAIN: Duration = Duration::from_secs(10);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(4);

impl Session<'_> {
    /// Starts with partitions that have been assigned, where the group stands: looked up now, when no earlier owner can move it.
    pub(super) fn accept_coming(&mut self) {
        let now = Instant::now();
        if now < self.accept_at {
            return;
        }
        let Some(coming) = self.coming.take() else { return };
        let list = match self.starts(&coming) {
            Ok(list) => list,
            Err(error) => {
                let pause = self.reading.failed(&storage_error("look up where the group stands", error));
                self.accept_at = Instant::now() + pause;
                self.coming = Some(coming);
                return;
            }
        };
        let mut owned = Vec::with_capacity(coming.len());
        for element in list.elements() {
            if let Offset::Offset(offset) = element.offset() {
                owned.push((partition(element.partition()), u64::try_from(offset).unwrap_or(0)));
                self.next.insert(element.partition(), offset);
            }
        }
        if self.paused {
            self.resume();
        }
        self.assignment.own(&owned);
        // The group may have been quicker to forget this member than it was to come here: it is asked before anything goes out.
        self.confirmed = now;
        self.renew_at = now;
        self.commit_at = self.commit_at.min(now);
        self.waiting = None;
        self.waiting_outage.worked();
        self.reading.worked();
        let accepted = accept(&self.consumer, &list);
        self.must(accepted);
        tracing::debug!(group = self.member.group, member = self.member.name.as_str(), partitions = ?coming, "took over partitions");
    }

    /// The offsets to start from: the group's, or the first that there is.
    fn starts(&self, coming: &[i32]) -> KafkaResult<TopicPartitionList> {
        let mut list = self.list(coming);
        if coming.is_empty() {
            return Ok(list);
        }
        let committed = self.consumer.committed_offsets(list.clone(), TIMEOUT)?;
        let ends = offsets(&self.consumer, &self.topic, coming, Offset::End)?;
        let begins = offsets(&self.consumer, &self.topic, coming, Offset::Beginning)?;
        for element in committed.elements() {
            element.error()?;
            let id = element.partition();
            let (begin, end) = (begins.get(&id).copied().unwrap_or(0), ends.get(&id).copied().unwrap_or(0));
            let start = match element.offset() {
                Offset::Offset(offset) if offset <= end => offset.max(begin),
                // The group is new here, or the topic is: it was deleted and made anew.
                _ => begin,
            };
            list.set_partition_offset(&self.topic, id, Offset::Offset(start))?;
        }
        Ok(list)
    }

    /// Partitions go to others: what is out of them is waited for, unless they are gone already.
    pub(super) fn revoked(&mut self, partitions: Vec<i32>) {
        self.coming = None;
        let ids = ids(&partitions);
        self.assignment.drain(&ids, Instant::now() + DRAIN);
        self.leaving.get_or_insert_default().extend(partitions);
        self.hurry();
    }

    /// Gives up partitions that have been revoked, once they have drained.
    pub(super) fn give_up_leaving(&mut self) {
        let Some(leaving) = &self.leaving else { return };
        let lost = self.consumer.assignment_lost();
        if lost {
            let partitions = leaving.len();
            tracing::warn!(
                group = self.member.group,
                partitions,
                "lost partitions; their unsettled events are delivered elsewhere"
            );
            self.assignment.forget(&ids(leaving));
            self.waiting = Some(Instant::now());
        } else if !self.assignment.release_drained(Instant::now()) {
            return;
        }
        let Some(leaving) = self.leaving.take() else { return };
        self.next.retain(|id, _| !leaving.contains(id));
        let given_up = give_up(&self.consumer, &self.list(&leaving));
        self.must(given_up);
    }
}

fn ids(partitions: &[i32]) -> Vec<Partition> {
    partitions.iter().map(|id| partition(*id)).collect()
}
