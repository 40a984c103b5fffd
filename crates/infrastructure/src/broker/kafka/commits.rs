use std::time::Duration;

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode as Code,
};
use tokio::time::Instant;

use super::{
    config::SESSION,
    error::{is_missing, storage_error},
    session::Session,
};
use crate::broker::partitioned::Progress;

/// For how long after a confirmed membership no other member can have its partitions, with a margin.
pub(super) const LEASE: Duration = SESSION.saturating_sub(Duration::from_secs(1));

/// How often membership is confirmed when there is nothing to write: what is written again is refused to those who are no members any more.
const RENEWAL: Duration = Duration::from_millis(1_500);

/// The shortest time between two commits.
const INTERVAL: Duration = Duration::from_millis(20);

/// The pause while the group deals with members that come or go.
const REBALANCING: Duration = Duration::from_millis(50);

/// How long the answer to a commit is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// A commit under way.
pub(super) struct Flight {
    sent: Instant,
    progress: Vec<Progress>,
}

impl Session<'_> {
    /// Writes the positions that have moved, and from time to time those that have not.
    pub(super) fn commit_if_due(&mut self) {
        let now = Instant::now();
        if now < self.commit_at || self.flight.as_ref().is_some_and(|flight| flight.sent.elapsed() < PATIENCE) {
            return;
        }
        let mut progress = self.assignment.progress();
        if progress.is_empty() {
            if self.confirmed.elapsed() < RENEWAL {
                return;
            }
            progress = self.assignment.standing();
        }
        if progress.is_empty() {
            return;
        }
        match self.commit(&progress) {
            Ok(()) => self.flight = Some(Flight { sent: now, progress }),
            Err(error) => self.commit_failed(error),
        }
    }

    fn commit(&self, progress: &[Progress]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(progress.len());
        for one in progress {
            let offset = Offset::Offset(i64::try_from(one.position).unwrap_or(i64::MAX));
            list.add_partition_offset(&self.topic, i32::from(one.partition().0), offset)?;
        }
        self.consumer.commit(&list, CommitMode::Async)
    }

    /// A commit has been answered.
    pub(super) fn committed(&mut self, failed: Option<KafkaError>) {
        let Some(flight) = self.flight.take() else { return };
        match failed {
            None => {
                self.assignment.persisted(&flight.progress);
                self.confirmed = flight.sent;
                self.assignment.lease_until(flight.sent + LEASE);
                self.commit_at = flight.sent + INTERVAL;
                self.committing.worked();
                self.reading.worked();
            }
            Some(error) => self.commit_failed(error),
        }
    }

    fn commit_failed(&mut self, error: KafkaError) {
        let code = error.rdkafka_error_code();
        let rebalancing = matches!(
            code,
            Some(Code::RebalanceInProgress | Code::IllegalGeneration | Code::UnknownMemberId | Code::AssignmentLost)
        );
        if rebalancing {
            // The driver joins again where it has to, and says what is lost.
            self.commit_at = Instant::now() + REBALANCING;
            return;
        }
        if code.is_some_and(is_missing) {
            self.member.monitor.nudge();
        }
        self.commit_at = Instant::now() + self.committing.failed(&storage_error("write positions", error));
    }
}
