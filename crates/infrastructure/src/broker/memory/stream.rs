use std::{pin::pin, sync::Arc, time::Duration};

use activelog_application::ports::{Delivery, DeliveryStream, Settle, SettleError};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    core::{Core, Settlement},
    state::{Batch, Joined, StreamId},
};
use crate::broker::keyed_queue::{Taken, due_after};

/// The events of one subscription to a [`MemoryBroker`](super::MemoryBroker).
#[derive(Debug)]
pub struct MemoryDeliveryStream {
    core: Arc<Core>,
    stream: StreamId,
    wake: Arc<Notify>,
    prefetch: usize,
}

impl MemoryDeliveryStream {
    pub(super) fn new(core: Arc<Core>, joined: Joined, prefetch: usize) -> Self {
        Self { core, stream: joined.stream, wake: joined.wake, prefetch }
    }

    fn delivery(&self, taken: Taken, event: Arc<EventEnvelope>) -> Delivery {
        let settle = MemorySettle { core: Arc::clone(&self.core), stream: self.stream, taken };
        Delivery::new(event, taken.attempt > 1, Box::new(settle))
    }
}

#[async_trait]
impl DeliveryStream for MemoryDeliveryStream {
    async fn next(&mut self) -> Option<Vec<Delivery>> {
        loop {
            let mut wake = pin!(self.wake.notified());
            // Before looking, so that what comes just after is not missed.
            wake.as_mut().enable();
            let (batch, watermark_moved) = self.core.lock().take(self.stream, self.prefetch, Instant::now());
            if watermark_moved {
                // Events nobody here wants are passed without being settled: publishers may wait for just that.
                self.core.room.notify_waiters();
            }
            match batch {
                // Nothing is awaited between taking and returning: a dropped call has taken nothing.
                Batch::Events(events) => {
                    return Some(events.into_iter().map(|(taken, event)| self.delivery(taken, event)).collect());
                }
                Batch::Nothing(None) => wake.await,
                Batch::Nothing(Some(due)) => {
                    tokio::select! {
                        () = wake => {}
                        () = sleep_until(due) => {}
                    }
                }
                Batch::Ended => return None,
            }
        }
    }

    async fn close(self: Box<Self>) -> Result<(), SettleError> {
        self.core.end_stream(self.stream);
        Ok(())
    }
}

impl Drop for MemoryDeliveryStream {
    fn drop(&mut self) {
        self.core.end_stream(self.stream);
    }
}

struct MemorySettle {
    core: Arc<Core>,
    stream: StreamId,
    taken: Taken,
}

impl MemorySettle {
    fn settle(&self, settlement: Settlement) -> Result<(), SettleError> {
        match self.core.settle(self.stream, self.taken, settlement) {
            true => Ok(()),
            false => Err(SettleError("the stream it was delivered to has ended".into())),
        }
    }
}

#[async_trait]
impl Settle for MemorySettle {
    async fn ack(self: Box<Self>) -> Result<(), SettleError> {
        self.settle(Settlement::Acknowledged)
    }

    async fn nack(self: Box<Self>, delay: Duration) -> Result<(), SettleError> {
        self.settle(Settlement::GivenBack(due_after(delay)))
    }

    fn abandon(self: Box<Self>) {
        // An ended stream has already given it back.
        let _gone = self.settle(Settlement::GivenBack(None));
    }
}
