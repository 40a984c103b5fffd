use std::sync::Arc;

use activelog_application::ports::{
    BrokerHealth, DeliveryStream, EventSubscriber, JournalCursor, Lag, StartFrom, SubscribeError, Subscription,
};
use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{driver::Driver, group_log::GroupLog, outage::Outages, state::Shared, stream::LogStream};
use crate::broker::subscription_check::{check, check_group};

/// Takes events out of a partitioned log.
pub(in crate::broker) struct LogSubscriber {
    log: Arc<GroupLog>,
    outages: Arc<Outages>,
    stop: CancellationToken,
    drivers: TaskTracker,
}

impl LogSubscriber {
    pub(in crate::broker) fn new(log: Arc<GroupLog>) -> Self {
        Self { log, outages: Arc::default(), stop: CancellationToken::new(), drivers: TaskTracker::new() }
    }
}

#[async_trait]
impl EventSubscriber for LogSubscriber {
    async fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn DeliveryStream>, SubscribeError> {
        check(subscription)?;
        // Held until the driver runs, so that `close` cannot overlook it.
        let _joining = self.drivers.token();
        if self.stop.is_cancelled() {
            return Err(SubscribeError::Closed);
        }
        let start = match subscription.start {
            StartFrom::Earliest => JournalCursor::default(),
            StartFrom::Latest => self.log.log.heads().await?,
        };
        self.log.positions.join(&subscription.group, &start).await?;
        let shared = Arc::new(Shared::new(subscription.clone(), self.stop.child_token()));
        let driver = Driver::new(Arc::clone(&self.log), Arc::clone(&shared), Arc::clone(&self.outages));
        let driver = self.drivers.spawn(driver.run());
        Ok(Box::new(LogStream::new(shared, driver)))
    }

    fn health(&self) -> BrokerHealth {
        if self.stop.is_cancelled() {
            return BrokerHealth::Closed;
        }
        self.outages.reason().map_or(BrokerHealth::Up, BrokerHealth::Degraded)
    }

    /// Counts what the group has not been moved past yet, also events no pattern matches.
    async fn lag(&self, group: &str) -> Result<Option<Lag>, SubscribeError> {
        // Positions first: a group must not seem to be ahead.
        let positions = self.log.positions.positions(group).await?;
        Ok(Some(self.log.log.lag(&positions).await?))
    }

    async fn remove_group(&self, group: &str) -> Result<(), SubscribeError> {
        check_group(group)?;
        if self.stop.is_cancelled() {
            return Err(SubscribeError::Closed);
        }
        // As long as it takes to find out that a member has died.
        let deadline = Instant::now() + self.log.options.lease_ttl * 2;
        while !self.log.positions.remove(group).await? {
            if Instant::now() >= deadline {
                return Err(SubscribeError::InUse(group.to_owned()));
            }
            sleep(self.log.options.poll).await;
        }
        Ok(())
    }

    async fn close(&self) -> Result<(), SubscribeError> {
        self.stop.cancel();
        self.drivers.close();
        self.drivers.wait().await;
        Ok(())
    }
}
