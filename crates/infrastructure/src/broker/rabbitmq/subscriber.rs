use std::{sync::Arc, time::Duration};

use activelog_application::ports::{
    BrokerHealth, Clock, DeliveryStream, EventSubscriber, Lag, PARTITIONS, Partition, SubscribeError, Subscription,
};
use async_trait::async_trait;
use lapin::{options::QueueDeclareOptions, types::FieldTable};

use super::{
    error::{AnyError, within},
    group::Groups,
    stream::RabbitMqStream,
};
use crate::{broker::subscription_check::check, clock::SystemClock};

/// Takes events out of the queues of consumer groups.
pub(super) struct RabbitMqSubscriber {
    groups: Arc<Groups>,
}

/// What is in the queues of a group.
struct Waiting {
    events: u64,
    consumers: u64,
}

impl RabbitMqSubscriber {
    pub(super) fn new(groups: Groups) -> Self {
        Self { groups: Arc::new(groups) }
    }

    /// `None` when the group has no queues.
    async fn waiting(&self, group: &str) -> Result<Option<Waiting>, AnyError> {
        let channel = self.groups.link.channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let mut waiting = Waiting { events: 0, consumers: 0 };
        for partition in (0..PARTITIONS).map(Partition) {
            let queue = self.groups.topology.queue(group, partition);
            let asking = channel.queue_declare(queue, passive, FieldTable::default());
            match within(self.groups.link.options.timeout, "look at a queue", asking).await {
                Ok(queue) => {
                    waiting.events += u64::from(queue.message_count());
                    waiting.consumers += u64::from(queue.consumer_count());
                }
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(waiting))
    }
}

#[async_trait]
impl EventSubscriber for RabbitMqSubscriber {
    async fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn DeliveryStream>, SubscribeError> {
        check(subscription)?;
        let membership = self.groups.join(subscription).await?;
        Ok(Box::new(RabbitMqStream::new(membership, subscription.prefetch)))
    }

    fn health(&self) -> BrokerHealth {
        if self.groups.is_closed() {
            return BrokerHealth::Closed;
        }
        match self.groups.link.health() {
            BrokerHealth::Up => self.groups.members.health(),
            wrong => wrong,
        }
    }

    /// Counts what waits in the queues, what streams here have, and what other members said they had, up to a second ago. The server does not tell how many events are handed
    /// out: where no stream of the group is in this process and nothing waits, it cannot be known whether anything is left. The age is known where nobody else has any.
    async fn lag(&self, group: &str) -> Result<Option<Lag>, SubscribeError> {
        if self.groups.is_closed() {
            return Err(SubscribeError::Closed);
        }
        // First: an event that goes out meanwhile is counted twice rather than not at all.
        let waiting = self.waiting(group).await.map_err(SubscribeError::Unavailable)?;
        let Some(waiting) = waiting else { return Ok(None) };
        let Some(member) = self.groups.named(group) else {
            let unknown = waiting.events == 0 && waiting.consumers > 0;
            return Ok((!unknown).then_some(Lag { events: waiting.events, age: None }));
        };
        let elsewhere = member.driver.view.held_by_others();
        let events = waiting.events + member.shared.held() + elsewhere;
        let oldest = member.shared.oldest().filter(|_| elsewhere == 0);
        let age = oldest.map(|oldest| Duration::try_from(SystemClock.now().duration_since(oldest)).unwrap_or_default());
        Ok(Some(Lag { events, age }))
    }

    async fn close(&self) -> Result<(), SubscribeError> {
        self.groups.close().await;
        tokio::join!(self.groups.members.close(), self.groups.link.close());
        Ok(())
    }
}
