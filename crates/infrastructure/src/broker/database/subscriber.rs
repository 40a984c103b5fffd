use std::sync::Arc;

use activelog_application::ports::{
    BrokerHealth, DeliveryStream, EventSubscriber, JournalCursor, Lag, StartFrom, SubscribeError, Subscription,
};
use async_trait::async_trait;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{DatabaseDeliveryStream, broker::Parts, driver::Driver, outage::Outages, state::Shared};
use crate::broker::subscription_check::check;

/// Takes events out of the journal.
pub struct DatabaseSubscriber {
    parts: Arc<Parts>,
    outages: Arc<Outages>,
    stop: CancellationToken,
    drivers: TaskTracker,
}

impl DatabaseSubscriber {
    pub(super) fn new(parts: Arc<Parts>) -> Self {
        Self { parts, outages: Arc::default(), stop: CancellationToken::new(), drivers: TaskTracker::new() }
    }
}

#[async_trait]
impl EventSubscriber for DatabaseSubscriber {
    async fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn DeliveryStream>, SubscribeError> {
        check(subscription)?;
        // Held until the driver runs, so that `close` cannot overlook it.
        let _joining = self.drivers.token();
        if self.stop.is_cancelled() {
            return Err(SubscribeError::Closed);
        }
        let start = match subscription.start {
            StartFrom::Earliest => JournalCursor::default(),
            StartFrom::Latest => self.parts.journal.heads().await?,
        };
        self.parts.positions.join(&subscription.group, &start).await?;
        let shared = Arc::new(Shared::new(subscription.clone(), self.stop.child_token()));
        let driver = Driver::new(Arc::clone(&self.parts), Arc::clone(&shared), Arc::clone(&self.outages));
        let driver = self.drivers.spawn(driver.run());
        Ok(Box::new(DatabaseDeliveryStream::new(shared, driver)))
    }

    fn health(&self) -> BrokerHealth {
        if self.stop.is_cancelled() {
            return BrokerHealth::Closed;
        }
        self.outages.reason().map_or(BrokerHealth::Up, BrokerHealth::Degraded)
    }

    /// Counts what the group has not been moved past yet, also events no pattern matches. How old they are is not told.
    async fn lag(&self, group: &str) -> Result<Option<Lag>, SubscribeError> {
        // Positions first: a group must not seem to be ahead.
        let positions = self.parts.positions.positions(group).await?;
        let heads = self.parts.journal.heads().await?;
        let events = heads.0.iter().zip(positions.0).map(|(head, position)| head.saturating_sub(position)).sum();
        Ok(Some(Lag { events, age: None }))
    }

    async fn close(&self) -> Result<(), SubscribeError> {
        self.stop.cancel();
        self.drivers.close();
        self.drivers.wait().await;
        Ok(())
    }
}
