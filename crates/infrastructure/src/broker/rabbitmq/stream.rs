use std::{sync::Arc, time::Duration};

use activelog_application::ports::{Delivery, DeliveryStream, Settle, SettleError};
use async_trait::async_trait;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    group::Membership,
    shared::{Batch, Settlement, Shared, Ticket},
};
use crate::broker::keyed_queue::due_after;

/// The events of one subscription.
///
/// Settling answers at once; the server is told in the background. A settlement that has not reached it when the connection breaks is lost, and the event arrives again.
pub(super) struct RabbitMqStream {
    membership: Membership,
    prefetch: usize,
    deliverable: watch::Receiver<()>,
}

impl RabbitMqStream {
    pub(super) fn new(membership: Membership, prefetch: usize) -> Self {
        let deliverable = membership.shared().deliverable.subscribe();
        Self { membership, prefetch, deliverable }
    }
}

#[async_trait]
impl DeliveryStream for RabbitMqStream {
    async fn next(&mut self) -> Option<Vec<Delivery>> {
        loop {
            // Marked before looking: what changes between looking and waiting wakes.
            self.deliverable.mark_unchanged();
            let shared = self.membership.shared();
            let due = match shared.take(self.membership.holder(), self.prefetch, Instant::now()) {
                // Nothing is awaited between taking and returning: a dropped call has taken nothing.
                Batch::Events(events) => {
                    let deliveries = events.into_iter().map(|(ticket, out)| {
                        let settle = RabbitMqSettle { shared: Arc::clone(shared), ticket };
                        Delivery::new(out.event, out.redelivered, Box::new(settle))
                    });
                    return Some(deliveries.collect());
                }
                Batch::Nothing(due) => due,
                Batch::Ended => return None,
            };
            let later = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.deliverable.changed() => changed.ok()?,
                () = later => {}
            }
        }
    }

    async fn close(self: Box<Self>) -> Result<(), SettleError> {
        self.membership.leave().await
    }
}

struct RabbitMqSettle {
    shared: Arc<Shared>,
    ticket: Ticket,
}

impl RabbitMqSettle {
    fn settle(&self, settlement: Settlement) -> Result<(), SettleError> {
        match self.shared.settle(self.ticket, settlement) {
            true => Ok(()),
            false => Err(SettleError("the stream has ended, or the event has gone back to its queue".into())),
        }
    }
}

#[async_trait]
impl Settle for RabbitMqSettle {
    async fn ack(self: Box<Self>) -> Result<(), SettleError> {
        self.settle(Settlement::Acknowledged)
    }

    async fn nack(self: Box<Self>, delay: Duration) -> Result<(), SettleError> {
        self.settle(Settlement::GivenBack(due_after(delay)))
    }

    fn abandon(self: Box<Self>) {
        // Where it is no longer ours to give back, whoever has the queue delivers it.
        let _gone = self.settle(Settlement::GivenBack(None));
    }
}
