use std::{sync::Arc, time::Duration};

use activelog_application::{
    delivery::{Consumer, ConsumerStatus},
    ports::{EventSubscriber, SubscribeError, Subscription},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The pause after a failed subscription, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Keeps one subscription consumed.
pub struct Worker {
    subscriber: Arc<dyn EventSubscriber>,
    subscription: Subscription,
    consumer: Consumer,
}

impl Worker {
    /// A worker that has `consumer` take the events of `subscription`.
    pub fn new(subscriber: Arc<dyn EventSubscriber>, subscription: Subscription, consumer: Consumer) -> Self {
        Self { subscriber, subscription, consumer }
    }

    /// What it is doing, now and from now on.
    pub fn status(&self) -> watch::Receiver<ConsumerStatus> {
        self.consumer.status()
    }

    /// Consumes until `stop`, then drains; `hard_stop` ends the draining. A subscription that cannot be made is tried again for as long as
    /// it takes; one that never can be is an error.
    pub async fn run(&self, stop: &CancellationToken, hard_stop: &CancellationToken) -> Result<(), SubscribeError> {
        let mut failures = 0_u32;
        while !stop.is_cancelled() {
            match self.subscriber.subscribe(&self.subscription).await {
                Ok(stream) => {
                    tracing::info!(group = %self.subscription.group, "consuming events");
                    failures = 0;
                    self.consumer.run(stream, stop, hard_stop).await;
                }
                Err(SubscribeError::Unavailable(error)) => {
                    if failures == 0 {
                        tracing::warn!(group = %self.subscription.group, %error, "cannot subscribe; trying again until it works");
                    }
                    failures = failures.saturating_add(1);
                    let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(8)).min(LONGEST_PAUSE);
                    stop.run_until_cancelled(tokio::time::sleep(pause)).await;
                }
                Err(SubscribeError::Closed) if stop.is_cancelled() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
