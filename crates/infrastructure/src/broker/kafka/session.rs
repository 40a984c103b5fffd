use std::{collections::HashMap, sync::Arc, time::Duration};

use activelog_application::ports::{BrokerHealth, Partition, SettleError};
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode as Code,
};
use tokio::{sync::oneshot, time::Instant};

use super::{
    commits::{Committer, Flight},
    error::storage_error,
    member::Member,
    member_context::{MemberContext, Told, accept, give_up},
    watch::Watch,
};
use crate::broker::partitioned::{Assignment, Outage};

/// How long closing tries to write the last positions.
const LAST_COMMIT: Duration = Duration::from_secs(5);

/// How long leaving the group may take.
const DEPARTURE: Duration = Duration::from_secs(3);

/// How long the driver may take to let go of partitions while the brokers are away.
const GIVING_UP: Duration = Duration::from_millis(300);

/// Why a session has ended.
pub(super) enum End {
    /// The stream has been closed.
    Stopped,
    /// It does not work, and another is to be tried.
    Useless(String),
}

/// A member's time with one consumer of the driver.
pub(super) struct Session<'a> {
    pub(super) member: &'a Member,
    pub(super) assignment: &'a Assignment,
    /// Over once events come, or none are there.
    pub(super) joining: &'a mut Outage,
    pub(super) topic: String,
    pub(super) consumer: Arc<BaseConsumer<MemberContext>>,
    pub(super) committer: Committer,
    /// Assigned, and not accepted yet.
    pub(super) coming: Option<Vec<i32>>,
    /// When accepting them is tried.
    pub(super) accept_at: Instant,
    /// Revoked, and not given up yet.
    pub(super) leaving: Option<Vec<i32>>,
    pub(super) flight: Option<Flight>,
    pub(super) commit_at: Instant,
    /// Why the last commit was refused, unless another has worked since.
    pub(super) refused: Option<KafkaError>,
    /// When the group has last confirmed that this is a member.
    pub(super) confirmed: Instant,
    /// When it is to confirm that again, with or without positions to write.
    pub(super) renew_at: Instant,
    /// Since when it waits to be admitted to the group.
    pub(super) waiting: Option<Instant>,
    /// The offset after the last that has come of each partition.
    pub(super) next: HashMap<i32, i64>,
    pub(super) full_since: Option<Instant>,
    pub(super) paused: bool,
    pub(super) useless: Option<String>,
    pub(super) watch: Watch,
    pub(super) committing: Outage,
    pub(super) reading: Outage,
    pub(super) waiting_outage: Outage,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        member: &'a Member,
        consumer: BaseConsumer<MemberContext>,
        stuck: u32,
        joining: &'a mut Outage,
    ) -> Self {
        let (now, consumer) = (Instant::now(), Arc::new(consumer));
        Self {
            member,
            assignment: &member.assignment,
            joining,
            topic: member.settings.topic(),
            committer: Committer::start(&consumer),
            consumer,
            coming: None,
            accept_at: now,
            leaving: None,
            flight: None,
            commit_at: now,
            refused: None,
            confirmed: now,
            renew_at: now,
            waiting: Some(now),
            next: HashMap::new(),
            full_since: None,
            paused: false,
            useless: None,
            watch: Watch::new(stuck),
            committing: member.outage("writing positions"),
            reading: member.outage("reading events"),
            waiting_outage: member.outage("waiting for the group"),
        }
    }

    /// Works until the stream is closed, or this is of no use any more.
    pub(super) fn follow(&mut self) -> End {
        loop {
            if self.assignment.is_stopped() {
                return End::Stopped;
            }
            self.listen();
            self.accept_coming();
            self.give_up_leaving();
            self.commit_if_due();
            self.take_in();
            self.look_around();
            if let Some(reason) = self.useless.take() {
                return End::Useless(reason);
            }
        }
    }

    /// Deals with what the driver has told.
    pub(super) fn listen(&mut self) {
        let context = Arc::clone(self.consumer.context());
        while let Some(told) = context.next() {
            match told {
                Told::Assigned(partitions) => {
                    self.coming = Some(partitions);
                    self.accept_at = Instant::now();
                }
                Told::Revoked(partitions) => self.revoked(partitions),
                Told::Committed(failed) => self.committed(failed),
            }
        }
    }

    /// How often in a row nothing has come although there was something.
    pub(super) fn stuck(&self) -> u32 {
        self.watch.stuck()
    }

    /// Partitions as the driver lists them.
    pub(super) fn list(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.topic, *partition);
        }
        list
    }

    /// The driver must be told; where that fails nothing helps but to begin anew.
    pub(super) fn must(&mut self, done: KafkaResult<()>) {
        if let Err(error) = done {
            self.useless.get_or_insert_with(|| error.to_string());
        }
    }

    /// Writes the last positions, tells what came of it, and leaves the group, which can take its time: while others come or go the broker answers when it has heard of all.
    pub(super) fn leave(mut self, written: oneshot::Sender<Result<(), SettleError>>) {
        self.assignment.shut();
        self.hurry();
        // Nobody listens any more if closing has taken too long.
        let _late = written.send(self.write_last());
        self.depart();
        self.abandon();
    }

    fn write_last(&mut self) -> Result<(), SettleError> {
        let deadline = Instant::now() + LAST_COMMIT;
        loop {
            self.listen();
            if self.assignment.progress().is_empty() {
                return Ok(());
            }
            let fatal = self.fatal();
            if fatal.is_none() && self.flight.is_none() {
                self.commit_if_due();
            }
            if fatal.is_some() || Instant::now() >= deadline {
                let refused = self.refused.take().map(|error| error.to_string());
                let why = fatal.or(refused).unwrap_or_else(|| "no answer".to_owned());
                return Err(SettleError(format!("the last positions could not be written: {why}").into()));
            }
            // What still comes is the next owner's.
            drop(self.consumer.poll(Duration::from_millis(10)));
        }
    }

    /// Why the driver has given up for good, if it has.
    pub(super) fn fatal(&self) -> Option<String> {
        let (code, reason) = self.consumer.client().fatal_error()?;
        Some(match code {
            Code::FencedInstanceId => format!(
                "the brokers know another member by the name {}: this one as it was before an outage, or, if this comes again and again, a process with the same worker.instance",
                self.member.name.as_str()
            ),
            code => format!("{code}: {reason}"),
        })
    }

    /// Has the group know that this member is gone. The driver does not tell it of one that has a name of its own when it is closed, only when it unsubscribes, and says
    /// nobody when it has: the brokers are asked.
    pub(super) fn depart(&mut self) {
        if self.fatal().is_some() {
            return;
        }
        let (member, now) = (self.member, Instant::now());
        let deadline = now + DEPARTURE;
        let is_up = || member.monitor.health() == BrokerHealth::Up;
        // One that is about to be admitted would be missed for as long as a session.
        while self.waiting.is_some() && self.coming.is_none() && is_up() && Instant::now() < deadline {
            drop(self.consumer.poll(Duration::from_millis(10)));
            self.listen();
        }
        self.let_go();
        self.consumer.unsubscribe();
        let given_up = Instant::now() + GIVING_UP;
        let mut pause = Duration::from_millis(10);
        while Instant::now() < if is_up() { deadline } else { given_up } {
            drop(self.consumer.poll(pause));
            pause = (pause * 2).min(Duration::from_millis(200));
            match is_up().then(|| self.is_listed()) {
                Some(Ok(false)) => return,
                Some(Err(error)) => tracing::debug!(%error, "cannot see whether this member has left"),
                Some(Ok(true)) | None => {}
            }
        }
        tracing::debug!(
            group = member.group,
            "this member may still be listed: its partitions are free when its session has run out"
        );
    }

    /// Ends the driver's part, without telling the group.
    pub(super) fn abandon(mut self) {
        // Once more if it has departed: what has been told since.
        self.let_go();
        // It must not be the last to hold the consumer, which waits for the group when it is dropped.
        self.committer.end();
        drop(self.consumer);
    }

    /// From now on partitions come and go without further ado.
    fn let_go(&mut self) {
        self.consumer.context().close();
        // What was told since the last time wants its answer too, or the driver waits for it for ever.
        self.listen();
        let told = match (self.coming.take(), self.leaving.take()) {
            (Some(coming), _) => accept(&self.consumer, &self.list(&coming)),
            (None, Some(leaving)) => give_up(&self.consumer, &self.list(&leaving)),
            (None, None) => Ok(()),
        };
        if let Err(error) = told {
            tracing::debug!(%error, "while leaving the group");
        }
    }

    /// What the driver told that may mean that this does not work.
    pub(super) fn reading_failed(&mut self, error: KafkaError) {
        let _pause = self.reading.failed(&storage_error("read events", error));
    }
}

/// A partition of the driver as the state names it.
pub(super) fn partition(id: i32) -> Partition {
    Partition(u16::try_from(id).unwrap_or(u16::MAX))
}
