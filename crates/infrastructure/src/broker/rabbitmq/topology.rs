use std::{sync::Arc, time::Duration};

use activelog_application::ports::{PARTITIONS, Partition, partition_of};
use activelog_domain::event::EventEnvelope;
use futures::future::try_join_all;
use lapin::{
    Channel, ExchangeKind, Queue,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::time::sleep;

use super::{
    RabbitMqOptions,
    error::AnyError,
    error::{RequestError, within},
    link::Link,
};

/// How often the server may hand out an event before it would throw it away: never. It counts every crash of a consumer, and since 4.0
/// it would begin to throw away after twenty. A limit has to be there all the same: without one, what is given back goes to the end of its queue.
const DELIVERY_LIMIT: i32 = 2_000_000_000;

/// How long a queue that may be new is there before events come into it.
///
/// A server finds the log of a quorum queue by a name that it writes to its disk only once half a second has passed without another (Ra's `ra_directory`, `auto_save`, to this day). Killed
/// before, it begins an empty log, and what it had confirmed is gone: measured with 3.10.8, killed 1.1 s after the first of sixteen queues was declared. An event that comes
/// to an exchange to which nothing is bound is refused, and waits with whoever publishes it.
const SETTLING: Duration = Duration::from_secs(2);

/// Names and shapes of exchanges and queues. A colon joins what neither namespace nor group may hold it in.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    options: Arc<RabbitMqOptions>,
}

impl Topology {
    pub(super) fn new(options: Arc<RabbitMqOptions>) -> Self {
        Self { options }
    }

    /// Where events go in.
    pub(super) fn events(&self) -> ShortString {
        format!("{}:events", self.options.namespace).into()
    }

    /// Where the members of groups hear of each other.
    pub(super) fn members(&self) -> ShortString {
        format!("{}:members", self.options.namespace).into()
    }

    /// The queue of a group for a partition.
    pub(super) fn queue(&self, group: &str, partition: Partition) -> ShortString {
        format!("{}:{group}:{}", self.options.namespace, partition.0).into()
    }

    /// The queue on which a member hears of the others.
    pub(super) fn member_queue(&self, group: &str, member: &str) -> ShortString {
        format!("{}:{group}:member-{member}", self.options.namespace).into()
    }

    /// The routing key of an event. `None` when its name is longer than a routing key may be.
    pub(super) fn routing_key(event: &EventEnvelope) -> Option<ShortString> {
        ShortString::try_new(format!("{}.{}", partition_of(&event.partition_key).0, event.name)).ok()
    }

    /// Declares the exchanges.
    pub(super) async fn declare_exchanges(&self, channel: &Channel) -> Result<(), RequestError> {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        for (name, kind) in [(self.events(), ExchangeKind::Topic), (self.members(), ExchangeKind::Direct)] {
            let declaring = channel.exchange_declare(name, kind, options, FieldTable::default());
            within(self.options.timeout, "declare an exchange", declaring).await?;
        }
        Ok(())
    }

    /// Whether the exchanges are there. The channel is of no more use if they are not.
    pub(super) async fn has_exchanges(&self, channel: &Channel) -> Result<bool, RequestError> {
        let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        for (name, kind) in [(self.events(), ExchangeKind::Topic), (self.members(), ExchangeKind::Direct)] {
            let looking = channel.exchange_declare(name, kind, options, FieldTable::default());
            match within(self.options.timeout, "look for an exchange", looking).await {
                Ok(()) => {}
                Err(error) if error.is_not_found() => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether the queue of a group for a partition is there. The channel is of no more use if it is not.
    pub(super) async fn has_queue(
        &self,
        channel: &Channel,
        group: &str,
        partition: Partition,
    ) -> Result<bool, RequestError> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let looking = channel.queue_declare(self.queue(group, partition), passive, FieldTable::default());
        match within(self.options.timeout, "look for a queue", looking).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Declares and binds the queue of a group for a partition, which was there: [`SETTLING`] is not waited for. Should it have been deleted, events go to other groups meanwhile and past
    /// this one.
    pub(super) async fn declare_queue(
        &self,
        channel: &Channel,
        group: &str,
        partition: Partition,
    ) -> Result<(), RequestError> {
        self.make_queue(channel, group, partition).await?;
        self.bind_queue(channel, group, partition).await
    }

    /// Declares the queue of a group for a partition. Refused when it is there and another one.
    pub(super) async fn make_queue(
        &self,
        channel: &Channel,
        group: &str,
        partition: Partition,
    ) -> Result<Queue, RequestError> {
        // To make a queue takes many times as long as to find it.
        let limit = self.options.timeout * 4;
        let queue = self.queue(group, partition);
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
        within(limit, "declare a queue", channel.queue_declare(queue, durable, arguments)).await
    }

    /// Binds the queue of a group for a partition.
    pub(super) async fn bind_queue(
        &self,
        channel: &Channel,
        group: &str,
        partition: Partition,
    ) -> Result<(), RequestError> {
        let key = format!("{}.#", partition.0).into();
        let options = QueueBindOptions::default();
        let queue = self.queue(group, partition);
        let binding = channel.queue_bind(queue, self.events(), key, options, FieldTable::default());
        within(self.options.timeout, "bind a queue", binding).await
    }

    /// Declares all the queues of a group, some at once, and binds them once they have settled.
    pub(super) async fn declare_group(&self, link: &Link, group: &str) -> Result<(), AnyError> {
        const AT_ONCE: u16 = 4;
        let exchanges = link.channel().await?;
        self.declare_exchanges(&exchanges).await?;
        let channels = try_join_all((0..AT_ONCE).map(|_| link.channel())).await?;
        let all = channels.iter().zip(0..AT_ONCE).map(async |(channel, first)| {
            let mut may_be_new = false;
            for partition in (first..PARTITIONS).step_by(usize::from(AT_ONCE)) {
                let queue = self.make_queue(channel, group, Partition(partition)).await?;
                may_be_new |= queue.message_count() == 0 && queue.consumer_count() == 0;
            }
            Ok::<_, RequestError>(may_be_new)
        });
        if try_join_all(all).await?.contains(&true) {
            sleep(SETTLING).await;
        }
        for partition in (0..PARTITIONS).map(Partition) {
            self.bind_queue(&exchanges, group, partition).await?;
        }
        Ok(())
    }
}
