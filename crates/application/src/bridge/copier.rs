use std::{sync::Arc, time::Duration};

use activelog_domain::event::EventEnvelope;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{BridgeEnd, BridgeError, BridgeOptions, BridgeProgress, RefusedEvents};
use crate::ports::{
    Delivery, DeliveryStream, EventPublisher, EventSubscriber, PublishError, PublishErrorKind, SubscribeError,
    Subscription,
};

/// Copies what one broker delivers to a group into another broker.
///
/// Give it a group of its own. One bridge of a group at a time copies in order; a second one takes over when it ends.
pub struct Bridge {
    source: Arc<dyn EventSubscriber>,
    target: Arc<dyn EventPublisher>,
    refused: Option<Arc<dyn RefusedEvents>>,
    subscription: Subscription,
    options: BridgeOptions,
    progress: watch::Sender<BridgeProgress>,
}

/// What is left of a batch after it was published once.
#[derive(Default)]
struct Left {
    deliveries: Vec<Delivery>,
    refused: Vec<(Delivery, PublishError)>,
    trouble: Option<PublishError>,
}

impl Bridge {
    /// A bridge that copies what `subscription` asks for. Its prefetch is how many events are published at once.
    pub fn new(
        source: Arc<dyn EventSubscriber>,
        target: Arc<dyn EventPublisher>,
        subscription: Subscription,
        options: BridgeOptions,
    ) -> Self {
        Self { source, target, refused: None, subscription, options, progress: watch::Sender::default() }
    }

    /// With a place for events that the target refuses for good. Without one, such an event ends the bridge.
    #[must_use]
    pub fn keep_refused(mut self, refused: Arc<dyn RefusedEvents>) -> Self {
        self.refused = Some(refused);
        self
    }

    /// How far it has come, now and from now on.
    pub fn progress(&self) -> watch::Receiver<BridgeProgress> {
        self.progress.subscribe()
    }

    /// Copies until `stop`, or until the source is drained if that is wanted. Trouble that may pass is waited out, for as long as it takes, and
    /// events are tried again in their order.
    ///
    /// # Errors
    /// When it cannot go on. Nothing is lost by that: what was not copied is still at the source.
    pub async fn run(&self, stop: &CancellationToken) -> Result<BridgeEnd, BridgeError> {
        let Some(mut stream) = self.subscribe(stop).await? else { return Ok(BridgeEnd::Stopped) };
        let outcome = self.copy(stream.as_mut(), stop).await;
        if let Err(error) = stream.close().await {
            tracing::warn!(%error, "the last acknowledgements were lost: what was copied last is copied again");
        }
        outcome
    }

    /// `None` when it was told to stop.
    async fn subscribe(&self, stop: &CancellationToken) -> Result<Option<Box<dyn DeliveryStream>>, BridgeError> {
        let mut failures = 0;
        while !stop.is_cancelled() {
            match self.source.subscribe(&self.subscription).await {
                Ok(stream) => {
                    self.waits_for(None);
                    return Ok(Some(stream));
                }
                Err(SubscribeError::Unavailable(error)) => {
                    self.waits_for(Some(format!("source: {error}")));
                    stop.run_until_cancelled(sleep(self.pause(&mut failures, None))).await;
                }
                Err(error) => return Err(BridgeError::Source(error)),
            }
        }
        Ok(None)
    }

    async fn copy(&self, stream: &mut dyn DeliveryStream, stop: &CancellationToken) -> Result<BridgeEnd, BridgeError> {
        let mut quiet_since = Instant::now();
        loop {
            let Some(next) = stop.run_until_cancelled(timeout(self.options.look, stream.next())).await else {
                return Ok(BridgeEnd::Stopped);
            };
            match next {
                Ok(Some(batch)) => {
                    if !self.copy_batch(batch, stop).await? {
                        return Ok(BridgeEnd::Stopped);
                    }
                    quiet_since = Instant::now();
                }
                Ok(None) => return Err(BridgeError::SourceClosed),
                Err(_) if self.options.until_drained && self.is_drained(quiet_since).await => {
                    return Ok(BridgeEnd::Drained);
                }
                Err(_) => {}
            }
        }
    }

    /// Nothing has come for a moment: whether nothing is left.
    async fn is_drained(&self, quiet_since: Instant) -> bool {
        match self.source.lag(&self.subscription.group).await {
            Ok(Some(lag)) => lag.events == 0,
            Ok(None) => quiet_since.elapsed() >= self.options.quiet,
            Err(error) => {
                tracing::debug!(%error, "the source does not tell how far the bridge is; asking again");
                false
            }
        }
    }

    /// Copies a batch, as often as it takes. `false` when it was told to stop: what is left then goes back to the source.
    async fn copy_batch(&self, batch: Vec<Delivery>, stop: &CancellationToken) -> Result<bool, BridgeError> {
        let (mut deliveries, mut failures) = (batch, 0);
        loop {
            let left = self.publish(deliveries).await?;
            for (delivery, error) in left.refused {
                self.refuse(delivery, error).await?;
            }
            deliveries = left.deliveries;
            let trouble = left.trouble.as_ref();
            self.waits_for(trouble.map(|error| format!("target: {error}")));
            if deliveries.is_empty() {
                return Ok(true);
            }
            // Without trouble, what is left only waited for one that was refused.
            let pause = match trouble {
                Some(error) => self.pause(&mut failures, error.retry_after),
                None => Duration::ZERO,
            };
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return Ok(false);
            }
        }
    }

    /// Publishes once, and acknowledges what was taken.
    async fn publish(&self, deliveries: Vec<Delivery>) -> Result<Left, BridgeError> {
        let events: Vec<_> = deliveries.iter().map(|delivery| EventEnvelope::clone(&delivery.event)).collect();
        let outcomes = self.target.publish_batch(&events).await;
        let (mut left, mut closed) = (Left::default(), false);
        for (delivery, outcome) in deliveries.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => self.acknowledge(delivery).await,
                Err(error) => match error.kind {
                    PublishErrorKind::Closed => closed = true,
                    PublishErrorKind::Rejected | PublishErrorKind::TooLarge => left.refused.push((delivery, error)),
                    PublishErrorKind::Skipped => left.deliveries.push(delivery),
                    PublishErrorKind::Unavailable | PublishErrorKind::Unknown => {
                        left.deliveries.push(delivery);
                        left.trouble.get_or_insert(error);
                    }
                },
            }
        }
        if closed { Err(BridgeError::TargetClosed) } else { Ok(left) }
    }

    async fn acknowledge(&self, delivery: Delivery) {
        self.progress.send_modify(|progress| progress.copied += 1);
        settle(delivery).await;
    }

    async fn refuse(&self, delivery: Delivery, error: PublishError) -> Result<(), BridgeError> {
        let event = &delivery.event;
        let Some(refused) = &self.refused else {
            let (id, name, key) = (event.id, event.name.clone(), event.partition_key.clone());
            return Err(BridgeError::Refused { id, name, key, source: error });
        };
        let kept = refused.keep(event, &error.to_string()).await;
        kept.map_err(|source| BridgeError::NotKept { id: event.id, source })?;
        tracing::warn!(event = %event.id, name = event.name, %error, "the target refuses an event; it was kept");
        self.progress.send_modify(|progress| progress.refused += 1);
        settle(delivery).await;
        Ok(())
    }

    /// Says what it waits for, and once in the log when it begins and when it ends.
    fn waits_for(&self, reason: Option<String>) {
        self.progress.send_if_modified(|progress| {
            match (&progress.waiting, &reason) {
                (None, Some(reason)) => tracing::warn!(reason, "the bridge waits, and tries again until it works"),
                (Some(_), None) => tracing::info!("the bridge goes on"),
                _ => {}
            }
            let changed = progress.waiting != reason;
            progress.waiting = reason;
            changed
        });
    }

    /// The next pause: doubling, capped, jittered, and no shorter than what the broker asks for.
    fn pause(&self, failures: &mut u32, least: Option<Duration>) -> Duration {
        let pause = self.options.first_pause.saturating_mul(1 << (*failures).min(16)).min(self.options.longest_pause);
        *failures += 1;
        pause.mul_f64(0.5 + fastrand::f64() / 2.0).max(least.unwrap_or_default())
    }
}

/// Acknowledges at the source. Where that is lost, the event comes again, and is copied again under its id.
async fn settle(delivery: Delivery) {
    if let Err(error) = delivery.ack().await {
        tracing::debug!(%error, "an acknowledgement was lost: its event is copied again");
    }
}
