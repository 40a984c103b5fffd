use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol},
    error::{KafkaError, KafkaResult},
    statistics::Statistics,
    types::RDKafkaRespErr,
};

use super::context::LogContext;

/// What a member has been told since it last listened.
#[derive(Debug)]
pub(super) enum Told {
    /// These partitions are the member's now; it has to accept them.
    Assigned(Vec<i32>),
    /// These partitions go to others; it has to let go of them.
    Revoked(Vec<i32>),
    /// A commit has been answered: what failed, if anything did.
    Committed(Option<KafkaError>),
}

/// Keeps what is told, to be dealt with between two polls: giving partitions up takes longer than a callback should.
#[derive(Debug, Default)]
pub(super) struct MemberContext {
    told: Mutex<VecDeque<Told>>,
    closing: AtomicBool,
}

impl MemberContext {
    /// The next thing told.
    pub(super) fn next(&self) -> Option<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// From now on partitions come and go without anybody being told: the driver waits for it when it leaves and when it is dropped.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Adds something.
    pub(super) fn tell(&self, told: Told) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push_back(told);
    }
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        LogContext.log(level, facility, message);
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        LogContext.error(error, reason);
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = list.elements().iter().map(|element| element.partition()).collect();
        let is_assigned = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            // What is not accepted cannot be given up, and the driver would not leave.
            let done = if is_assigned { accept(consumer, list) } else { give_up(consumer, list) };
            if let Err(error) = done {
                tracing::debug!(%error, "while leaving the group");
            }
        } else {
            self.tell(if is_assigned { Told::Assigned(partitions) } else { Told::Revoked(partitions) });
        }
    }
}

/// Accepts partitions, at the offsets in the list.
pub(super) fn accept(consumer: &BaseConsumer<MemberContext>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        _ => consumer.assign(list),
    }
}

/// Gives partitions up.
pub(super) fn give_up(consumer: &BaseConsumer<MemberContext>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        _ => consumer.unassign(),
    }
}
