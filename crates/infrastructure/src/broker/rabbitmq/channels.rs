use std::sync::{Mutex, PoisonError};

use lapin::{Channel, options::ConfirmSelectOptions};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    error::{AnyError, within},
    link::Link,
    topology::Topology,
};

/// The most channels at once.
const MOST: usize = 32;

/// Channels to publish on. One wave of events has a channel for itself: what the server returns can then be told from what others sent.
pub(super) struct Channels {
    link: Link,
    topology: Topology,
    idle: Mutex<Vec<Channel>>,
    permits: Semaphore,
}

/// A channel for a while. It is given back by [`Channels::keep`], and closed otherwise.
pub(super) struct Lent<'a> {
    pub(super) channel: Channel,
    _permit: SemaphorePermit<'a>,
}

impl Channels {
    pub(super) fn new(link: Link, topology: Topology) -> Self {
        Self { link, topology, idle: Mutex::default(), permits: Semaphore::new(MOST) }
    }

    /// A channel that nobody else has, with confirms, and the exchange there.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, AnyError> {
        let permit = self.permits.acquire().await?;
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            // Those of a connection that broke are of no use.
            idle.retain(|channel| channel.status().connected());
            idle.pop()
        };
        let channel = match idle {
            Some(channel) => channel,
            None => self.open().await?,
        };
        Ok(Lent { channel, _permit: permit })
    }

    /// Takes a channel back that has nothing under way.
    pub(super) fn keep(&self, lent: Lent<'_>) {
        if lent.channel.status().connected() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(lent.channel);
        }
    }

    /// A new channel, with confirms, and the exchange there.
    pub(super) async fn open(&self) -> Result<Channel, AnyError> {
        let channel = self.link.channel().await?;
        let limit = self.link.options.timeout;
        within(limit, "ask for confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        // Each time: a channel is opened after a failure too, which may be that the exchange was deleted.
        self.topology.declare_exchanges(&channel).await?;
        Ok(channel)
    }
}
