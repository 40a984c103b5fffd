//! A broker with one fault, around the broker in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use activelog_application::{
    ports::{
        Broker, BrokerHealth, BrokerProbe, BrokerReport, Delivery, DeliveryStream, EventPattern, EventPublisher,
        EventSubscriber, Lag, ProbeError, PublishError, PublishErrorKind, Settle, SettleError, StartFrom,
        SubscribeError, Subscription,
    },
    testing::broker::{BrokerFixture, event},
};
use activelog_domain::event::EventEnvelope;
use activelog_infrastructure::broker::memory::MemoryBroker;
use async_trait::async_trait;

/// What an adapter does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    LosesEveryTenth,
    PublishesTwice,
    IgnoresAcknowledgements,
    IgnoresGivingBack,
    ReordersWithinKey,
    RequeuesAtTheEnd,
    AcknowledgesEarly,
    TruncatesData,
    TakesDataForText,
    IgnoresPrefetch,
    IgnoresPatterns,
    HangsOnClose,
    StaysOpen,
    DropsTrace,
    KeepsAsciiOnly,
    IgnoresDelay,
    BlocksOnDelay,
    LosesOnCancel,
    ForgetsHistory,
    KnowsOneGroup,
    KeepsRemovedGroups,
    TakesAnySize,
    OvertakesFailures,
    TakesAnySubscription,
    AsksWithEvents,
}

/// Connects the suite to a broken broker.
pub(crate) struct FaultyFixture {
    fault: Fault,
    sound: MemoryBroker,
}

impl FaultyFixture {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, sound: MemoryBroker::default() }
    }
}

#[async_trait]
impl BrokerFixture for FaultyFixture {
    fn name(&self) -> &str {
        "faulty"
    }

    async fn broker(&self) -> Broker {
        let Broker { name, capabilities, publisher, subscriber, probe } = self.sound.broker();
        let fault = self.fault;
        let again = Arc::clone(&publisher);
        let asking = Arc::clone(&publisher);
        Broker {
            name,
            capabilities,
            publisher: Arc::new(FaultyPublisher { fault, sound: publisher, count: AtomicU64::new(0) }),
            subscriber: Arc::new(FaultySubscriber { fault, sound: subscriber, publisher: again }),
            probe: Arc::new(FaultyProbe { fault, sound: probe, publisher: asking }),
        }
    }

    /// A sound broker in memory needs far less.
    fn patience(&self) -> Duration {
        Duration::from_secs(2)
    }
}

struct FaultyProbe {
    fault: Fault,
    sound: Arc<dyn BrokerProbe>,
    publisher: Arc<dyn EventPublisher>,
}

#[async_trait]
impl BrokerProbe for FaultyProbe {
    async fn probe(&self, group: &str) -> Result<BrokerReport, ProbeError> {
        if self.fault == Fault::AsksWithEvents {
            let canary = event("thing.asked", "canary", 1);
            self.publisher.publish(&canary).await.map_err(|error| ProbeError(Box::new(error)))?;
        }
        self.sound.probe(group).await
    }
}

struct FaultyPublisher {
    fault: Fault,
    sound: Arc<dyn EventPublisher>,
    count: AtomicU64,
}

impl FaultyPublisher {
    fn spoil(&self, event: &EventEnvelope) -> EventEnvelope {
        let mut event = event.clone();
        match self.fault {
            Fault::TruncatesData => event.data.truncate(event.data.len() * 9 / 10),
            Fault::TakesDataForText => event.data = String::from_utf8_lossy(&event.data).into_owned().into(),
            Fault::DropsTrace => event.trace = None,
            Fault::KeepsAsciiOnly => event.source.retain(|c| c.is_ascii()),
            Fault::TakesAnySize => event.data.truncate(16 << 20),
            _ => {}
        }
        event
    }
}

#[async_trait]
impl EventPublisher for FaultyPublisher {
    async fn publish(&self, event: &EventEnvelope) -> Result<(), PublishError> {
        if self.fault == Fault::LosesEveryTenth && self.count.fetch_add(1, Ordering::Relaxed) % 10 == 9 {
            return Ok(());
        }
        let event = self.spoil(event);
        if self.fault == Fault::PublishesTwice {
            self.sound.publish(&event).await?;
        }
        let outcome = self.sound.publish(&event).await;
        match outcome {
            Err(error) if self.fault == Fault::StaysOpen && error.kind == PublishErrorKind::Closed => Ok(()),
            outcome => outcome,
        }
    }

    async fn publish_batch(&self, events: &[EventEnvelope]) -> Vec<Result<(), PublishError>> {
        match self.fault {
            Fault::None => self.sound.publish_batch(events).await,
            Fault::ReordersWithinKey => {
                let backwards: Vec<_> = events.iter().rev().cloned().collect();
                self.sound.publish_batch(&backwards).await.into_iter().rev().collect()
            }
            // One by one: also without what a batch has to skip.
            _ => futures::future::join_all(events.iter().map(|event| self.publish(event))).await,
        }
    }

    fn health(&self) -> BrokerHealth {
        self.sound.health()
    }

    async fn close(&self) -> Result<(), PublishError> {
        match self.fault {
            Fault::HangsOnClose => std::future::pending().await,
            _ => self.sound.close().await,
        }
    }
}

struct FaultySubscriber {
    fault: Fault,
    sound: Arc<dyn EventSubscriber>,
    publisher: Arc<dyn EventPublisher>,
}

#[async_trait]
impl EventSubscriber for FaultySubscriber {
    async fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn DeliveryStream>, SubscribeError> {
        let mut subscription = subscription.clone();
        match self.fault {
            Fault::IgnoresPrefetch => subscription.prefetch = 10_000,
            Fault::IgnoresPatterns => subscription.patterns = vec![EventPattern::all()],
            Fault::ForgetsHistory => subscription.start = StartFrom::Latest,
            Fault::KnowsOneGroup => subscription.group = "group".to_owned(),
            Fault::TakesAnySubscription => {
                subscription.prefetch = subscription.prefetch.max(1);
                subscription.patterns.push(EventPattern::all());
                subscription.group = "group".to_owned();
            }
            _ => {}
        }
        let sound = self.sound.subscribe(&subscription).await?;
        Ok(Box::new(FaultyStream { fault: self.fault, sound, publisher: Arc::clone(&self.publisher) }))
    }

    fn health(&self) -> BrokerHealth {
        self.sound.health()
    }

    async fn lag(&self, group: &str) -> Result<Option<Lag>, SubscribeError> {
        self.sound.lag(group).await
    }

    async fn remove_group(&self, group: &str) -> Result<(), SubscribeError> {
        match self.fault {
            Fault::KeepsRemovedGroups => Ok(()),
            _ => self.sound.remove_group(group).await,
        }
    }

    async fn close(&self) -> Result<(), SubscribeError> {
        match self.fault {
            Fault::HangsOnClose => std::future::pending().await,
            Fault::StaysOpen => Ok(()),
            _ => self.sound.close().await,
        }
    }
}

struct FaultyStream {
    fault: Fault,
    sound: Box<dyn DeliveryStream>,
    publisher: Arc<dyn EventPublisher>,
}

#[async_trait]
impl DeliveryStream for FaultyStream {
    async fn next(&mut self) -> Option<Vec<Delivery>> {
        let batch = self.sound.next().await?;
        let mut faulty = Vec::with_capacity(batch.len());
        for delivery in batch {
            let (event, redelivered) = (delivery.event.clone(), delivery.redelivered);
            let sound = match self.fault {
                Fault::AcknowledgesEarly => {
                    delivery.ack().await.ok()?;
                    None
                }
                Fault::LosesOnCancel => {
                    delivery.ack().await.ok()?;
                    // Taken, and lost if the caller gives up now.
                    tokio::time::sleep(Duration::from_micros(500)).await;
                    None
                }
                _ => Some(delivery),
            };
            let settle = FaultySettle { fault: self.fault, sound, publisher: Arc::clone(&self.publisher) };
            faulty.push(Delivery::new(event, redelivered, Box::new(settle)));
        }
        Some(faulty)
    }

    async fn close(self: Box<Self>) -> Result<(), SettleError> {
        self.sound.close().await
    }
}

struct FaultySettle {
    fault: Fault,
    sound: Option<Delivery>,
    publisher: Arc<dyn EventPublisher>,
}

#[async_trait]
impl Settle for FaultySettle {
    async fn ack(self: Box<Self>) -> Result<(), SettleError> {
        match (self.sound, self.fault) {
            (None, _) => Ok(()),
            (Some(sound), Fault::IgnoresAcknowledgements) => sound.nack(Duration::ZERO).await,
            (Some(sound), _) => sound.ack().await,
        }
    }

    async fn nack(self: Box<Self>, delay: Duration) -> Result<(), SettleError> {
        let Some(sound) = self.sound else { return Ok(()) };
        match self.fault {
            Fault::IgnoresGivingBack => sound.ack().await,
            Fault::IgnoresDelay => sound.nack(Duration::ZERO).await,
            Fault::RequeuesAtTheEnd => {
                let event = sound.event.clone();
                sound.ack().await?;
                self.publisher.publish(&event).await.map_err(|e| SettleError(Box::new(e)))
            }
            Fault::BlocksOnDelay => {
                tokio::time::sleep(delay).await;
                sound.nack(Duration::ZERO).await
            }
            _ => sound.nack(delay).await,
        }
    }

    fn abandon(self: Box<Self>) {
        drop(self.sound);
    }
}
