use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use activelog_application::ports::{BrokerHealth, DeliveryStream, EventSubscriber, Lag, SubscribeError, Subscription};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::manage::wait_for;

/// A group that takes an event each time it is looked at.
struct Draining(AtomicU64);

#[async_trait]
impl EventSubscriber for Draining {
    async fn subscribe(&self, _: &Subscription) -> Result<Box<dyn DeliveryStream>, SubscribeError> {
        Err(SubscribeError::Closed)
    }

    fn health(&self) -> BrokerHealth {
        BrokerHealth::Up
    }

    async fn lag(&self, _: &str) -> Result<Option<Lag>, SubscribeError> {
        let events = self.0.load(Ordering::SeqCst);
        self.0.store(events.saturating_sub(1), Ordering::SeqCst);
        Ok(Some(Lag { events, age: Some(Duration::from_secs(3)) }))
    }

    async fn remove_group(&self, group: &str) -> Result<(), SubscribeError> {
        Err(SubscribeError::InUse(group.to_owned()))
    }

    async fn close(&self) -> Result<(), SubscribeError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_when_nothing_is_left() {
    let subscriber = Arc::new(Draining(AtomicU64::new(4)));
    let cancel = CancellationToken::new();
    let now = wait_for(subscriber.as_ref(), "workers", false, &cancel).await.expect("it tells");
    assert_eq!(now.map(|lag| lag.map(|lag| lag.events)), Some(Some(4)));
    let waited = wait_for(subscriber.as_ref(), "workers", true, &cancel).await.expect("it tells");
    assert_eq!(waited.map(|lag| lag.map(|lag| lag.events)), Some(Some(0)));
    cancel.cancel();
    let endless = Draining(AtomicU64::new(u64::MAX));
    assert!(wait_for(&endless, "workers", true, &cancel).await.expect("it tells").is_none());
}
