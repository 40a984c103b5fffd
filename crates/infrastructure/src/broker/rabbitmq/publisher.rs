use std::{collections::HashSet, pin::Pin, time::Duration};

use activelog_application::ports::{BrokerHealth, PublishError, PublishErrorKind};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use lapin::PublisherConfirm;
use tokio::{
    sync::{Mutex, Semaphore},
    time::{Instant, timeout_at},
};

use super::{
    answers::{Answer, Answers},
    channels::Channels,
    error::AnyError,
    link::Link,
    pipeline::Pipeline,
    sending::{Sending, answered},
    topology::Topology,
};
use crate::broker::{wave_publisher::WaveSender, waves::Outcome};

/// How long it may take to have the events of a wave on the server's disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// Publishes to the exchange: a wave on a channel of its own, and so an event that nobody else publishes beside; single events side by side on one together.
pub(super) struct RabbitMqSender {
    link: Link,
    sending: Sending,
    channels: Channels,
    pipeline: Mutex<Option<Pipeline>>,
    /// Taken by a single event that goes by itself.
    alone: Semaphore,
}

impl RabbitMqSender {
    pub(super) fn new(link: Link, topology: Topology) -> Self {
        let (sending, channels) = (Sending::new(topology.clone()), Channels::new(link.clone(), topology));
        Self { link, sending, channels, pipeline: Mutex::default(), alone: Semaphore::new(1) }
    }

    /// Publishes an event beside others.
    async fn publish_beside(&self, event: &EventEnvelope, deadline: Instant) -> Outcome {
        let pipeline = match timeout_at(deadline, self.pipeline()).await {
            Ok(Ok(pipeline)) => pipeline,
            Ok(Err(error)) => return Err(unavailable(error)),
            Err(_) => return Err(unavailable(no_channel())),
        };
        timeout_at(deadline, pipeline.publish(event)).await.unwrap_or_else(|_| {
            pipeline.give_up();
            Err(late())
        })
    }

    /// The pipeline, or a new one when that is of no use any more.
    async fn pipeline(&self) -> Result<Pipeline, AnyError> {
        let mut kept = self.pipeline.lock().await;
        if let Some(pipeline) = kept.as_ref().filter(|pipeline| pipeline.is_usable()) {
            return Ok(pipeline.clone());
        }
        let opened = Pipeline::on(self.channels.open().await?, self.sending.clone());
        Ok(kept.insert(opened).clone())
    }

    /// Publishes events on a channel that nobody else has meanwhile.
    async fn publish_together(&self, events: &[&EventEnvelope], deadline: Instant) -> Vec<Outcome> {
        let lent = match timeout_at(deadline, self.channels.lend()).await {
            Ok(Ok(lent)) => lent,
            Ok(Err(error)) => return all(events, || error.to_string().into()),
            Err(_) => return all(events, no_channel),
        };
        let sending = self.sending.send_all(&lent.channel, events);
        let mut answers: Vec<Option<Answer>> = events.iter().map(|_| None).collect();
        if let Ok(sent) = timeout_at(deadline, sending).await {
            let mut open: FuturesUnordered<_> = sent.into_iter().enumerate().map(|sent| answer(sent).fuse()).collect();
            let come = async {
                while let Some((index, answer)) = open.next().await {
                    answers[index] = Some(answer);
                }
            };
            if timeout_at(deadline, come).await.is_err() {
                // What is there already may tell of another, so all are looked at until a look finds nothing.
                while Pin::new(&mut open)
                    .iter_pin_mut()
                    .filter_map(FutureExt::now_or_never)
                    .map(|(index, answer)| answers[index] = Some(answer))
                    .count()
                    > 0
                {}
            }
        }
        // After a failure something may still be under way.
        if answers.iter().all(|answer| matches!(answer, Some(Ok(_)))) {
            self.channels.keep(lent);
        }
        let (mut missing, mut come) = (HashSet::new(), Vec::with_capacity(events.len()));
        for (index, (event, answer)) in events.iter().zip(answers).enumerate() {
            match answer {
                Some(answer) => come.push((event.id, index, answer)),
                None => drop(missing.insert(event.id)),
            }
        }
        let mut outcomes: Vec<Outcome> = events.iter().map(|_| Err(late())).collect();
        for (index, outcome) in Answers::default().judge(come, |id| missing.contains(&id)) {
            outcomes[index] = outcome;
        }
        outcomes
    }
}

/// The answer to an event that was sent, and which it is.
async fn answer((index, sent): (usize, Result<PublisherConfirm, PublishError>)) -> (usize, Answer) {
    match sent {
        Ok(confirm) => (index, answered(confirm.await)),
        Err(error) => (index, Err(error)),
    }
}

fn all(events: &[&EventEnvelope], reason: impl Fn() -> AnyError) -> Vec<Outcome> {
    events.iter().map(|_| Err(unavailable(reason()))).collect()
}

fn unavailable(reason: AnyError) -> PublishError {
    PublishError::new(PublishErrorKind::Unavailable, reason)
}

fn no_channel() -> AnyError {
    "no channel could be had in time".into()
}

fn late() -> PublishError {
    PublishError::new(PublishErrorKind::Unknown, "RabbitMQ has not answered in time")
}

#[async_trait]
impl WaveSender for RabbitMqSender {
    const WAVE: usize = 1_000;

    fn max_payload(&self) -> usize {
        self.link.options.max_payload
    }

    async fn publish_wave(&self, events: &[&EventEnvelope]) -> Vec<Outcome> {
        if self.link.is_blocked() {
            // What is sent now would wait in the connection, and be stored at some later time.
            return all(events, || "RabbitMQ takes nothing at the moment: an alarm for memory or disk".into());
        }
        let deadline = Instant::now() + PATIENCE;
        if let [event] = events {
            return match self.alone.try_acquire() {
                // Faster by the time that it takes to hand it over.
                Ok(_alone) => self.publish_together(events, deadline).await,
                Err(_) => vec![self.publish_beside(event, deadline).await],
            };
        }
        self.publish_together(events, deadline).await
    }

    fn health(&self) -> BrokerHealth {
        self.link.health()
    }

    async fn close(&self) -> Result<(), PublishError> {
        self.link.close().await;
        Ok(())
    }
}
