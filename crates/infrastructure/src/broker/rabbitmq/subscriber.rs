use std::{sync::Arc, time::Duration};

use activelog_application::ports::{
    BrokerHealth, Clock, DeliveryStream, EventSubscriber, Lag, PARTITIONS, Partition, SubscribeError, Subscription,
};
use async_trait::async_trait;
use lapin::{
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use tokio::time::{Instant, sleep};

use super::{
    error::{AnyError, within},
    group::Groups,
    stream::RabbitMqStream,
};
use crate::{
    broker::subscription_check::{check, check_group},
    clock::SystemClock,
};

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

    /// How many consumers the queues of the group have. One queue may be missing while others are there.
    async fn consumers(&self, group: &str) -> Result<u64, AnyError> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let (mut channel, mut consumers) = (self.groups.link.channel().await?, 0);
        for partition in (0..PARTITIONS).map(Partition) {
            let queue = self.groups.topology.queue(group, partition);
            let asking = channel.queue_declare(queue, passive, FieldTable::default());
            match within(self.groups.link.options.timeout, "look at a queue", asking).await {
                Ok(queue) => consumers += u64::from(queue.consumer_count()),
                // The server closes the channel with that answer.
                Err(error) if error.is_not_found() => channel = self.groups.link.channel().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(consumers)
    }

    /// Waits until nobody consumes the group's queues. `false` when that does not come about.
    async fn is_left(&self, group: &str) -> Result<bool, AnyError> {
        // As long as it takes until the server has noticed that a connection has gone; and a busy one takes time for each queue.
        let patience = Duration::from_secs(u64::from(self.groups.link.options.heartbeat) * 3);
        let (mut deadline, mut least) = (Instant::now() + patience, u64::MAX);
        loop {
            match self.consumers(group).await? {
                0 => return Ok(true),
                fewer if fewer < least => (deadline, least) = (Instant::now() + patience, fewer),
                _ if Instant::now() >= deadline => return Ok(false),
                _ => {}
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Deletes the queues of the group; those that are not there need not be.
    async fn delete(&self, group: &str) -> Result<(), AnyError> {
        let channel = self.groups.link.channel().await?;
        for partition in (0..PARTITIONS).map(Partition) {
            let queue = self.groups.topology.queue(group, partition);
            let deleting = channel.queue_delete(queue, QueueDeleteOptions::default());
            within(self.groups.link.options.timeout * 4, "delete a queue", deleting).await?;
        }
        Ok(())
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

    /// Its queues are deleted. The server cannot be asked to leave those that are used, so it is looked at first.
    async fn remove_group(&self, group: &str) -> Result<(), SubscribeError> {
        check_group(group)?;
        if self.groups.is_closed() {
            return Err(SubscribeError::Closed);
        }
        if !self.is_left(group).await.map_err(SubscribeError::Unavailable)? {
            return Err(SubscribeError::InUse(group.to_owned()));
        }
        self.delete(group).await.map_err(SubscribeError::Unavailable)
    }

    async fn close(&self) -> Result<(), SubscribeError> {
        self.groups.close().await;
        tokio::join!(self.groups.members.close(), self.groups.link.close());
        Ok(())
    }
}
