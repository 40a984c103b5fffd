use std::sync::Arc;

use activelog_application::ports::{BrokerHealth, EventPublisher, PublishError};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio_util::task::TaskTracker;

use super::waves::{Outcome, Waves, closed, too_large, unanswered};

/// How an adapter puts events into its broker: what is its own of publishing.
#[async_trait]
pub(super) trait WaveSender: Send + Sync + 'static {
    /// The most events on the way at once.
    const WAVE: usize;

    /// Whether the broker takes the events of a wave in their order, and all or none of them. If not, a wave has at most one event of a key.
    const ALL_OR_NONE: bool = false;

    /// The largest data of an event, in bytes.
    fn max_payload(&self) -> usize;

    /// Sends events, all on the way at once, and says what became of each.
    async fn publish_wave(&self, events: &[&EventEnvelope]) -> Vec<Outcome>;

    /// How the connection is doing.
    fn health(&self) -> BrokerHealth;

    /// Lets go of the connection, once nothing is under way.
    async fn close(&self) -> Result<(), PublishError> {
        Ok(())
    }
}

/// Publishes in waves. Every broker that is a server has this with a sender of its own.
pub(super) struct WavePublisher<S> {
    sender: S,
    /// Calls under way; closed with the publisher.
    calls: TaskTracker,
}

impl<S: WaveSender> WavePublisher<S> {
    /// A publisher with this sender.
    pub(super) fn of(sender: S) -> Arc<dyn EventPublisher> {
        Arc::new(Self { sender, calls: TaskTracker::new() })
    }

    fn refuse(&self, event: &EventEnvelope) -> Option<PublishError> {
        too_large(event, self.sender.max_payload())
    }
}

#[async_trait]
impl<S: WaveSender> EventPublisher for WavePublisher<S> {
    async fn publish(&self, event: &EventEnvelope) -> Result<(), PublishError> {
        // Counted before looking: `close` waits for whoever has still seen it open.
        let _call = self.calls.token();
        if self.calls.is_closed() {
            return Err(closed());
        }
        if let Some(refused) = self.refuse(event) {
            return Err(refused);
        }
        self.sender.publish_wave(&[event]).await.pop().unwrap_or_else(|| Err(unanswered()))
    }

    async fn publish_batch(&self, events: &[EventEnvelope]) -> Vec<Outcome> {
        let _call = self.calls.token();
        if self.calls.is_closed() {
            return events.iter().map(|_| Err(closed())).collect();
        }
        let refuse = |event: &EventEnvelope| self.refuse(event);
        let mut waves = match S::ALL_OR_NONE {
            true => Waves::of_whole(events, S::WAVE, refuse),
            false => Waves::of_distinct_keys(events, S::WAVE, refuse),
        };
        while let Some(wave) = waves.next() {
            waves.settle(self.sender.publish_wave(&wave).await);
        }
        waves.outcomes()
    }

    fn health(&self) -> BrokerHealth {
        if self.calls.is_closed() { BrokerHealth::Closed } else { self.sender.health() }
    }

    async fn close(&self) -> Result<(), PublishError> {
        self.calls.close();
        self.calls.wait().await;
        self.sender.close().await
    }
}
