use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use activelog_domain::event::EventEnvelope;
use tokio::time::{Instant, timeout};

use super::{BrokerFixture, Outcome};
use crate::ports::{Broker, Delivery, DeliveryStream, EventPattern, Subscription};

/// A case's connection and its helpers.
pub(super) struct Scene {
    pub(super) fixture: Arc<dyn BrokerFixture>,
    pub(super) broker: Broker,
}

/// One stream, event by event.
pub(super) struct Reader {
    stream: Box<dyn DeliveryStream>,
    waiting: VecDeque<Delivery>,
    patience: Duration,
}

/// Turns any error into the text a case fails with.
pub(super) fn failed(what: &str) -> impl Fn(&dyn fmt::Display) -> String {
    move |error| format!("{what}: {error}")
}

/// Fails unless it holds.
pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// A subscription of `group` to every event.
pub(super) fn all(group: &str) -> Subscription {
    Subscription::new(group, vec![EventPattern::all()])
}

/// A subscription of `group` to events matching `pattern`.
pub(super) fn only(group: &str, pattern: &str) -> Result<Subscription, String> {
    let pattern = pattern.parse().map_err(|e| failed("pattern")(&e))?;
    Ok(Subscription::new(group, vec![pattern]))
}

impl Scene {
    pub(super) async fn open(fixture: Arc<dyn BrokerFixture>) -> Self {
        let broker = fixture.broker().await;
        Self { fixture, broker }
    }

    /// Another connection to the same namespace.
    pub(super) async fn reconnect(&self) -> Self {
        Self::open(Arc::clone(&self.fixture)).await
    }

    pub(super) async fn reader(&self, subscription: &Subscription) -> Result<Reader, String> {
        let stream = self.broker.subscriber.subscribe(subscription).await.map_err(|e| failed("subscribe")(&e))?;
        Ok(Reader { stream, waiting: VecDeque::new(), patience: self.fixture.patience() })
    }

    /// Publishes in order, and every event must be taken.
    pub(super) async fn publish(&self, events: &[EventEnvelope]) -> Outcome {
        let outcomes = timeout(self.fixture.patience(), self.broker.publisher.publish_batch(events)).await;
        let outcomes = outcomes.map_err(|_| "publishing did not end".to_owned())?;
        ensure(outcomes.len() == events.len(), || format!("{} outcomes for {} events", outcomes.len(), events.len()))?;
        outcomes.into_iter().collect::<Result<(), _>>().map_err(|e| failed("publish")(&e))
    }

    /// Waits until `holds`, asking again and again.
    pub(super) async fn until<F>(&self, what: &str, mut holds: impl FnMut() -> F) -> Outcome
    where
        F: Future<Output = Result<bool, String>>,
    {
        let deadline = Instant::now() + self.fixture.patience();
        while !holds().await? {
            ensure(Instant::now() < deadline, || format!("{what}: not within {:?}", self.fixture.patience()))?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// A call that has to end.
    pub(super) async fn ends<T>(&self, what: &str, call: impl Future<Output = T>) -> Result<T, String> {
        timeout(self.fixture.patience(), call).await.map_err(|_| format!("{what} does not end"))
    }
}

impl Reader {
    /// The next event; it has to come.
    pub(super) async fn next(&mut self) -> Result<Delivery, String> {
        loop {
            if let Some(delivery) = self.waiting.pop_front() {
                return Ok(delivery);
            }
            let batch = timeout(self.patience, self.stream.next()).await;
            let batch = batch.map_err(|_| format!("no event within {:?}", self.patience))?;
            let batch = batch.ok_or("the stream ended")?;
            ensure(!batch.is_empty(), || "an empty batch".to_owned())?;
            self.waiting.extend(batch);
        }
    }

    /// The next `count` events, unsettled.
    pub(super) async fn take(&mut self, count: usize) -> Result<Vec<Delivery>, String> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            let next = self.next().await.map_err(|why| format!("after {} of {count} events: {why}", taken.len()))?;
            taken.push(next);
        }
        Ok(taken)
    }

    /// The next `count` events, each acknowledged as it comes.
    pub(super) async fn consume(&mut self, count: usize) -> Result<Vec<EventEnvelope>, String> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            let next = self.next().await.map_err(|why| format!("after {} of {count} events: {why}", events.len()))?;
            events.push(EventEnvelope::clone(&next.event));
            ack(next).await?;
        }
        Ok(events)
    }

    /// Nothing more may come.
    pub(super) async fn stays_quiet(&mut self, quiet: Duration) -> Outcome {
        if let Some(delivery) = self.waiting.front() {
            return Err(format!("unexpected {delivery:?}"));
        }
        match timeout(quiet, self.stream.next()).await {
            Err(_) => Ok(()),
            Ok(None) => Err("the stream ended".to_owned()),
            Ok(Some(batch)) => Err(format!("unexpected {batch:?}")),
        }
    }

    /// The stream has to end.
    pub(super) async fn ends(&mut self) -> Outcome {
        self.waiting.clear();
        loop {
            match timeout(self.patience, self.stream.next()).await {
                Err(_) => return Err("the stream does not end".to_owned()),
                Ok(None) => return Ok(()),
                Ok(Some(_given_back)) => {}
            }
        }
    }

    /// The stream itself.
    pub(super) fn stream(&mut self) -> &mut dyn DeliveryStream {
        self.stream.as_mut()
    }

    pub(super) async fn close(self) -> Outcome {
        let closed = timeout(self.patience, self.stream.close()).await;
        closed.map_err(|_| "closing a stream does not end".to_owned())?.map_err(|e| failed("close")(&e))
    }
}

pub(super) async fn ack(delivery: Delivery) -> Outcome {
    delivery.ack().await.map_err(|e| failed("acknowledge")(&e))
}

pub(super) async fn nack(delivery: Delivery, delay: Duration) -> Outcome {
    delivery.nack(delay).await.map_err(|e| failed("give back")(&e))
}
