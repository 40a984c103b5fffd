use std::{
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode as Code,
};
use tokio::time::Instant;

use super::{
    config::SESSION,
    error::{is_missing, storage_error},
    member_context::{MemberContext, Told},
    session::Session,
};
use crate::broker::partitioned::Progress;

/// For how long after a confirmed membership no other member can have its partitions, with a margin; but for one that comes under the same name.
const LEASE: Duration = SESSION.saturating_sub(Duration::from_secs(1));

/// How often membership is confirmed when there is nothing to write: what is written again is refused to those who are no members any more.
const RENEWAL: Duration = Duration::from_millis(1_500);

/// The shortest time between two commits: each is a write of the coordinator for every partition that has moved, and events wait behind it. What was acknowledged
/// since the last comes again if the process is killed.
const INTERVAL: Duration = Duration::from_secs(1);

/// The same while somebody waits for the positions: partitions go to another member, or the stream closes.
const INTERVAL_LEAVING: Duration = Duration::from_millis(20);

/// The pause while the group deals with members that come or go.
const REBALANCING: Duration = Duration::from_millis(50);

/// A commit under way.
pub(super) struct Flight {
    sent: Instant,
    progress: Vec<Progress>,
}

/// Commits on a thread of its own and waits for the answers, one at a time: the driver tells nobody the answer to a commit that is not waited for.
pub(super) struct Committer {
    lists: Option<Sender<TopicPartitionList>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub(super) fn start(consumer: &Arc<BaseConsumer<MemberContext>>) -> Self {
        let (lists, given) = channel::<TopicPartitionList>();
        let consumer = Arc::clone(consumer);
        let work = move || {
            for list in given {
                let failed = consumer.commit(&list, CommitMode::Sync).err();
                consumer.context().tell(Told::Committed(failed));
            }
        };
        // Without a thread the first commit fails, and another session is tried.
        let thread = std::thread::Builder::new().name("kafka-commit".to_owned()).spawn(work).ok();
        Self { lists: Some(lists), thread }
    }

    /// Whether it will be committed.
    fn commit(&self, list: TopicPartitionList) -> bool {
        self.lists.as_ref().is_some_and(|lists| lists.send(list).is_ok())
    }

    /// Waits for the commit under way.
    pub(super) fn end(&mut self) {
        self.lists = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell.
            let _ended = thread.join();
        }
    }
}

impl Session<'_> {
    /// Writes the positions that have moved, and from time to time those that have not.
    pub(super) fn commit_if_due(&mut self) {
        let now = Instant::now();
        if now < self.commit_at || self.flight.is_some() {
            return;
        }
        let mut progress = self.assignment.progress();
        if progress.is_empty() {
            if now < self.renew_at {
                return;
            }
            progress = self.assignment.standing();
        }
        if progress.is_empty() {
            return;
        }
        match self.offsets(&progress) {
            Ok(list) => {
                let given = self.committer.commit(list);
                if !given {
                    self.useless.get_or_insert_with(|| "there is no thread to commit".to_owned());
                }
                self.flight = given.then_some(Flight { sent: now, progress });
            }
            Err(error) => self.commit_failed(error),
        }
    }

    fn interval(&self) -> Duration {
        if self.leaving.is_some() || self.assignment.is_stopped() { INTERVAL_LEAVING } else { INTERVAL }
    }

    /// Somebody waits for the positions: they are not gathered any longer.
    pub(super) fn hurry(&mut self) {
        self.commit_at = self.commit_at.min(Instant::now() + self.interval());
    }

    fn offsets(&self, progress: &[Progress]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(progress.len());
        for one in progress {
            let offset = Offset::Offset(i64::try_from(one.position).unwrap_or(i64::MAX));
            list.add_partition_offset(&self.topic, i32::from(one.partition().0), offset)?;
        }
        Ok(list)
    }

    /// A commit has been answered.
    pub(super) fn committed(&mut self, failed: Option<KafkaError>) {
        let Some(flight) = self.flight.take() else { return };
        match failed {
            None => {
                self.refused = None;
                self.assignment.persisted(&flight.progress);
                self.confirmed = flight.sent;
                self.renew_at = flight.sent + RENEWAL;
                self.assignment.lease_until(flight.sent + LEASE);
                self.commit_at = flight.sent + self.interval();
                self.committing.worked();
                self.reading.worked();
            }
            Some(error) => self.commit_failed(error),
        }
    }

    fn commit_failed(&mut self, error: KafkaError) {
        let code = error.rdkafka_error_code();
        self.refused = Some(error.clone());
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
