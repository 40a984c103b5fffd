use std::{sync::Arc, time::Duration};

use activelog_application::ports::{Delivery, DeliveryStream, Settle, SettleError};
use async_trait::async_trait;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::state::{Batch, Out, Settlement, Shared, Ticket};
use crate::broker::keyed_queue::due_after;

/// The events of one subscription to a partitioned log.
///
/// Settling answers at once; the group's positions follow in the background. A settlement that was not written before the process
/// died is lost, and the event arrives again.
#[derive(Debug)]
pub(in crate::broker) struct LogStream {
    shared: Arc<Shared>,
    driver: Option<JoinHandle<Result<(), SettleError>>>,
}

impl LogStream {
    pub(super) fn new(shared: Arc<Shared>, driver: JoinHandle<Result<(), SettleError>>) -> Self {
        Self { shared, driver: Some(driver) }
    }

    fn delivery(&self, out: Out) -> Delivery {
        let settle = LogSettle { shared: Arc::clone(&self.shared), ticket: out.ticket };
        Delivery::new(out.event, out.ticket.taken.attempt > 1, Box::new(settle))
    }
}

#[async_trait]
impl DeliveryStream for LogStream {
    async fn next(&mut self) -> Option<Vec<Delivery>> {
        loop {
            let prefetch = self.shared.subscription.prefetch;
            let batch = self.shared.lock().take(prefetch, Instant::now());
            match batch {
                // Nothing is awaited between taking and returning: a dropped call has taken nothing.
                Batch::Events(events) => return Some(events.into_iter().map(|out| self.delivery(out)).collect()),
                // A wake-up that comes between looking and waiting is kept.
                Batch::Nothing(None) => self.shared.deliverable.notified().await,
                Batch::Nothing(Some(due)) => {
                    tokio::select! {
                        () = self.shared.deliverable.notified() => {}
                        () = sleep_until(due) => {}
                    }
                }
                Batch::Ended => return None,
            }
        }
    }

    async fn close(mut self: Box<Self>) -> Result<(), SettleError> {
        self.shared.shut();
        match self.driver.take() {
            Some(driver) => driver.await.unwrap_or_else(|error| Err(SettleError(Box::new(error)))),
            None => Ok(()),
        }
    }
}

impl Drop for LogStream {
    /// The driver writes the last positions and leaves the group on its own.
    fn drop(&mut self) {
        self.shared.shut();
    }
}

struct LogSettle {
    shared: Arc<Shared>,
    ticket: Ticket,
}

impl LogSettle {
    fn settle(&self, settlement: Settlement) -> Result<(), SettleError> {
        match self.shared.settle(self.ticket, settlement) {
            true => Ok(()),
            false => Err(SettleError("the stream has ended, or its partition has gone to another member".into())),
        }
    }
}

#[async_trait]
impl Settle for LogSettle {
    async fn ack(self: Box<Self>) -> Result<(), SettleError> {
        self.settle(Settlement::Acknowledged)
    }

    async fn nack(self: Box<Self>, delay: Duration) -> Result<(), SettleError> {
        self.settle(Settlement::GivenBack(due_after(delay)))
    }

    fn abandon(self: Box<Self>) {
        // Where it is no longer ours to give back, its owner delivers it.
        let _gone = self.settle(Settlement::GivenBack(None));
    }
}
