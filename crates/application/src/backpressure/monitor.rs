use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{PressureBounds, PressureGauge, SPARED_EVENTS, bounds::Readings};
use crate::ports::{Clock, DiskSpace, GroupPositions, Journal, OutboxStore, StorageError, StorageErrorKind};

/// How long one look may take: a database that does not answer must not keep the disk from being looked at.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// A consumer group whose distance from the journal's head counts: one of a broker that delivers from the journal.
#[derive(Clone)]
pub struct GroupProgress {
    /// The group.
    pub group: String,
    /// Where the journal ends.
    pub journal: Arc<dyn Journal>,
    /// Where the group stands.
    pub positions: Arc<dyn GroupPositions>,
}

/// What a monitor looks at.
#[derive(Clone)]
pub struct PressureSources {
    /// The outbox.
    pub outbox: Arc<dyn OutboxStore>,
    /// The consumer group, where the journal delivers.
    pub group: Option<GroupProgress>,
    /// The disk, where the storage knows it.
    pub disk: Option<Arc<dyn DiskSpace>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Keeps a gauge up to date, until it is stopped.
pub struct PressureMonitor {
    sources: PressureSources,
    bounds: PressureBounds,
    poll: Duration,
    gauge: PressureGauge,
    /// Whether something could not be looked at the last time.
    blind: AtomicBool,
}

impl PressureMonitor {
    /// A monitor that looks every `poll`.
    pub fn new(sources: PressureSources, bounds: PressureBounds, poll: Duration) -> Self {
        Self { sources, bounds, poll, gauge: PressureGauge::default(), blind: AtomicBool::new(false) }
    }

    /// The gauge it keeps.
    pub fn gauge(&self) -> PressureGauge {
        self.gauge.clone()
    }

    /// Looks again and again until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        while stop.run_until_cancelled(self.look()).await.is_some() {
            stop.run_until_cancelled(tokio::time::sleep(self.poll)).await;
        }
    }

    /// Looks once. What cannot be read leaves its pressure as it is: whoever writes is told of the trouble there itself.
    pub async fn look(&self) {
        let (outbox, lag, free) = tokio::join!(answer(self.outbox()), answer(self.lag()), answer(self.free()));
        self.tell_blindness([outbox.as_ref().err(), lag.as_ref().err(), free.as_ref().err()]);
        let readings = Readings { outbox: outbox.ok(), lag: lag.ok().flatten(), free: free.ok().flatten() };
        let before = self.gauge.pressures();
        let now = self.bounds.judge(&before, &readings);
        for pressure in now.iter().filter(|p| before.iter().all(|b| b.name() != p.name())) {
            tracing::warn!(pressure = pressure.name(), "writes are refused: {pressure}");
        }
        if now.is_empty() && !before.is_empty() {
            tracing::info!("writes are taken again");
        }
        self.gauge.set(now);
    }

    /// Says once that something cannot be looked at, and once that it can again.
    fn tell_blindness(&self, errors: [Option<&StorageError>; 3]) {
        let error = errors.into_iter().flatten().next();
        match (self.blind.swap(error.is_some(), Ordering::Relaxed), error) {
            (false, Some(error)) => {
                tracing::warn!(%error, "cannot tell how much waits; writes are taken or refused as before");
            }
            (true, None) => tracing::info!("how much waits can be told again"),
            _ => {}
        }
    }

    async fn outbox(&self) -> Result<(u64, Duration), StorageError> {
        // One more than the bound tells that it is exceeded.
        let depth = self.sources.outbox.depth_within(self.bounds.max_outbox_events.saturating_add(1), SPARED_EVENTS);
        let depth = depth.await?;
        let age = depth.oldest.map(|oldest| self.sources.clock.now().duration_since(oldest));
        // A clock that was set back makes nothing older than it is.
        Ok((depth.events, age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()))
    }

    async fn lag(&self) -> Result<Option<(String, u64)>, StorageError> {
        let Some(GroupProgress { group, journal, positions }) = &self.sources.group else { return Ok(None) };
        // Positions first: a group must not seem to be ahead.
        let positions = positions.positions(group).await?;
        let heads = journal.heads().await?;
        let behind = heads.0.iter().zip(positions.0).map(|(head, position)| head.saturating_sub(position)).sum();
        Ok(Some((group.clone(), behind)))
    }

    async fn free(&self) -> Result<Option<u64>, StorageError> {
        match &self.sources.disk {
            Some(disk) => disk.available().await.map(Some),
            None => Ok(None),
        }
    }
}

/// What a look came to, unless it takes too long.
async fn answer<T>(look: impl Future<Output = Result<T, StorageError>>) -> Result<T, StorageError> {
    let late = |elapsed| StorageError::new(StorageErrorKind::Unavailable, "look how much waits", elapsed);
    tokio::time::timeout(ANSWERS_WITHIN, look).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
}
