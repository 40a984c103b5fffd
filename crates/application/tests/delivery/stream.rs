//! A delivery stream that a test feeds, and that remembers how its deliveries were settled.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::ports::{Delivery, DeliveryStream, Settle, SettleError};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

/// How a delivery was settled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Settled {
    Acked(String),
    Nacked(String, Duration),
    Abandoned(String),
}

pub(crate) fn acked(label: &str) -> Settled {
    Settled::Acked(label.to_owned())
}

pub(crate) fn abandoned(label: &str) -> Settled {
    Settled::Abandoned(label.to_owned())
}

/// What a stream remembers.
#[derive(Default)]
pub(crate) struct Log {
    settled: watch::Sender<Vec<Settled>>,
    closed: watch::Sender<bool>,
    lose_acks: Mutex<bool>,
}

impl Log {
    fn note(&self, settled: Settled) {
        self.settled.send_modify(|all| all.push(settled));
    }

    pub(crate) fn settled(&self) -> Vec<Settled> {
        self.settled.borrow().clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    pub(crate) fn lose_acks(&self) {
        *self.lose_acks.lock().expect("not poisoned") = true;
    }

    /// Waits until a delivery has gone back with a delay, and answers the delay.
    pub(crate) async fn given_back(&self, label: &str) -> Duration {
        let delay = |all: &Vec<Settled>| {
            all.iter().find_map(|one| match one {
                Settled::Nacked(known, delay) if known == label => Some(*delay),
                _ => None,
            })
        };
        let mut settled = self.settled.subscribe();
        let waited = settled.wait_for(|all| delay(all).is_some());
        let found =
            tokio::time::timeout(Duration::from_secs(36_000), waited).await.expect("given back").expect("a log");
        delay(&found).expect("just seen")
    }

    /// Waits until all of these are settled so, in whatever order.
    pub(crate) async fn until(&self, wanted: &[Settled]) {
        let mut settled = self.settled.subscribe();
        let all = settled.wait_for(|all| wanted.iter().all(|one| all.contains(one)));
        let waited = tokio::time::timeout(Duration::from_secs(36_000), all).await.is_ok();
        assert!(waited, "never came: {wanted:?} among {:?}", self.settled());
    }
}

struct Recorder {
    label: String,
    log: Arc<Log>,
}

#[async_trait]
impl Settle for Recorder {
    async fn ack(self: Box<Self>) -> Result<(), SettleError> {
        self.log.note(Settled::Acked(self.label));
        if *self.log.lose_acks.lock().expect("not poisoned") {
            Err(SettleError("connection lost".into()))
        } else {
            Ok(())
        }
    }

    async fn nack(self: Box<Self>, delay: Duration) -> Result<(), SettleError> {
        self.log.note(Settled::Nacked(self.label, delay));
        Ok(())
    }

    fn abandon(self: Box<Self>) {
        self.log.note(Settled::Abandoned(self.label));
    }
}

/// The test's end of a stream.
pub(crate) struct Feed {
    sender: mpsc::UnboundedSender<Vec<Delivery>>,
    pub(crate) log: Arc<Log>,
}

impl Feed {
    /// Delivers these as one batch; each is called by the label beside it.
    pub(crate) fn deliver(&self, events: Vec<(&str, EventEnvelope)>) {
        let delivery = |(label, event): (&str, EventEnvelope)| {
            Delivery::new(Arc::new(event), false, Box::new(Recorder { label: label.to_owned(), log: self.log.clone() }))
        };
        self.sender.send(events.into_iter().map(delivery).collect()).expect("the stream is there");
    }

    /// Delivers them one batch each.
    pub(crate) fn deliver_singly(&self, events: Vec<(&str, EventEnvelope)>) {
        for event in events {
            self.deliver(vec![event]);
        }
    }

    /// Ends the stream and keeps what it remembers.
    pub(crate) fn end(self) -> Arc<Log> {
        self.log
    }
}

pub(crate) struct FedStream {
    receiver: mpsc::UnboundedReceiver<Vec<Delivery>>,
    log: Arc<Log>,
}

#[async_trait]
impl DeliveryStream for FedStream {
    async fn next(&mut self) -> Option<Vec<Delivery>> {
        self.receiver.recv().await
    }

    async fn close(self: Box<Self>) -> Result<(), SettleError> {
        self.log.closed.send_replace(true);
        Ok(())
    }
}

pub(crate) fn stream() -> (Feed, Box<dyn DeliveryStream>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let log: Arc<Log> = Arc::default();
    (Feed { sender, log: log.clone() }, Box::new(FedStream { receiver, log }))
}
