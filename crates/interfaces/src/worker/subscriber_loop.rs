use std::{sync::Arc, time::Duration};

use activelog_application::{
    delivery::{Consumer, ConsumerStatus, CrashGuard, Retrier},
    ports::{EventSubscriber, SubscribeError, Subscription},
};
use futures::future::join_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The pause after a failed subscription, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often a worker says that its run goes on.
const KEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Keeps one subscription consumed, and what was parked of it retried.
pub struct Worker {
    subscriber: Arc<dyn EventSubscriber>,
    subscription: Subscription,
    consumer: Consumer,
    retriers: Vec<Retrier>,
    guard: CrashGuard,
}

impl Worker {
    /// A worker that has `consumer` take the events of `subscription`, `retriers` those that are parked, and `guard` know of its end.
    pub fn new(
        subscriber: Arc<dyn EventSubscriber>,
        subscription: Subscription,
        consumer: Consumer,
        retriers: Vec<Retrier>,
        guard: CrashGuard,
    ) -> Self {
        Self { subscriber, subscription, consumer, retriers, guard }
    }

    /// What it is doing, now and from now on.
    pub fn status(&self) -> watch::Receiver<ConsumerStatus> {
        self.consumer.status()
    }

    /// Consumes and retries until `stop`, then drains; `hard_stop` ends the draining. A subscription that cannot be made is tried again for as
    /// long as it takes; one that never can be is an error.
    pub async fn run(&self, stop: &CancellationToken, hard_stop: &CancellationToken) -> Result<(), SubscribeError> {
        let ended = stop.child_token();
        let consuming = async {
            let outcome = self.consume(stop, hard_stop).await;
            ended.cancel();
            outcome
        };
        let retrying = join_all(self.retriers.iter().map(|retrier| retrier.run(&ended, hard_stop)));
        let work = async { tokio::join!(consuming, retrying).0 };
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = self.keep() => Ok(()),
        };
        // What was cut short is what the next run has to be careful about.
        if !hard_stop.is_cancelled()
            && let Err(error) = self.guard.end().await
        {
            tracing::debug!(%error, "the end of this run was not noted; the next handles its first events one at a time");
        }
        outcome
    }

    /// Says again and again that the run goes on.
    async fn keep(&self) {
        loop {
            tokio::time::sleep(KEEP_INTERVAL).await;
            if let Err(error) = self.guard.keep().await {
                tracing::debug!(%error, "cannot note that this run goes on; trying again");
            }
        }
    }

    async fn consume(&self, stop: &CancellationToken, hard_stop: &CancellationToken) -> Result<(), SubscribeError> {
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
