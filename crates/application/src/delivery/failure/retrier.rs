use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{FailureMachine, lane::Lane};
use crate::{
    delivery::Routes,
    ports::{ClaimedLane, StorageError},
};

/// The bounds of a retrier.
#[derive(Debug, Clone, Copy)]
pub struct RetrierOptions {
    /// How many lanes are worked on at once.
    pub lanes: usize,
    /// How long a claim lasts unless it is renewed, which happens three times within it: how long the lanes of a worker that was killed wait.
    pub lease: Duration,
    /// How often it looks for lanes that others have parked.
    pub poll: Duration,
    /// How long work that has begun may go on after a stop.
    pub drain: Duration,
}

impl Default for RetrierOptions {
    fn default() -> Self {
        Self {
            lanes: 32,
            lease: Duration::from_secs(15),
            poll: Duration::from_millis(500),
            drain: Duration::from_secs(8),
        }
    }
}

/// Tries parked events again when they are due: claims lanes and has their handlers take them in order. Several workers share the lanes of
/// their handlers.
pub struct Retrier {
    machine: FailureMachine,
    routes: Routes,
    options: RetrierOptions,
}

/// The lanes it works on, and how each is told that it was lost.
type Active = BTreeMap<ClaimedLane, CancellationToken>;

impl Retrier {
    /// A retrier for the handlers of `routes`, which must not have the machine's own layer.
    pub fn new(machine: FailureMachine, routes: Routes, options: RetrierOptions) -> Self {
        Self { machine, routes, options }
    }

    /// Works until `stop`; then finishes the attempts that have begun, for at most [`RetrierOptions::drain`] or until `hard_stop`. What it
    /// has not finished is due for others when its claim has run out.
    pub async fn run(&self, stop: &CancellationToken, hard_stop: &CancellationToken) {
        let names = self.routes.handler_names();
        let mut parked = self.machine.parked.listen();
        let (mut active, mut tasks) = (Active::new(), JoinSet::new());
        let mut renewal = tokio::time::interval(self.options.lease / 3);
        // After it stood still, one renewal tells what is left; the missed ones would each look for parked events again.
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            let pause = match self.claim(&names, &mut active, &mut tasks).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::debug!(%error, "cannot look for parked events; trying again");
                    self.options.poll
                }
            };
            tokio::select! {
                // In this order, so that the same course of events is always the same work. Nothing starves: a renewal is due three times in a
                // lease, work that ends is as much as there are lanes, and whatever wakes it, it looks for parked events next.
                biased;
                () = stop.cancelled() => break,
                _ = renewal.tick() => self.renew(&mut active).await,
                Some(ended) = tasks.join_next() => forget(&mut active, ended),
                () = parked.wait(pause) => {}
            }
        }
        let drained = async {
            while let Some(ended) = tasks.join_next().await {
                forget(&mut active, ended);
            }
        };
        tokio::select! {
            biased;
            () = drained => {}
            () = hard_stop.cancelled() => {}
            () = tokio::time::sleep(self.options.drain) => {
                tracing::warn!("attempts at parked events did not finish in time; they are made again");
            }
        }
    }

    /// Starts work on lanes that are due, as far as there is room. Answers how long to wait before looking again.
    async fn claim(
        &self,
        names: &[&str],
        active: &mut Active,
        tasks: &mut JoinSet<ClaimedLane>,
    ) -> Result<Duration, StorageError> {
        let room = self.options.lanes.saturating_sub(active.len());
        if room == 0 {
            return Ok(self.options.poll);
        }
        let now = self.machine.clock.now();
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let parking = &self.machine.parking;
        let claimed = parking.claim(names, now, self.options.lease, limit).await?;
        let (full, none) = (claimed.len() == room, claimed.is_empty());
        for lane in claimed {
            let lost = CancellationToken::new();
            active.insert(lane.clone(), lost.clone());
            let work = Lane { machine: self.machine.clone(), routes: self.routes.clone(), lane };
            tasks.spawn(async move {
                let ended = work.lane.clone();
                // A lost lane is dropped at any point: its transactions are fenced.
                let run = AssertUnwindSafe(lost.run_until_cancelled(work.run())).catch_unwind().await;
                if run.is_err() {
                    tracing::error!(handler = %ended.handler, key = %ended.key,
                        "work on a lane of parked events panicked; it goes on when its claim has run out");
                }
                ended
            });
        }
        if full {
            return Ok(self.options.poll);
        }
        let due = parking.next_due(names).await?;
        let until_due = due.map_or(self.options.poll, |due| until(now, due));
        if none && until_due.is_zero() {
            // A transaction still has hold of the lane that is due: it cannot be claimed before that has ended.
            return Ok(self.options.poll);
        }
        Ok(until_due.min(self.options.poll).max(Duration::from_millis(1)))
    }

    async fn renew(&self, active: &mut Active) {
        if active.is_empty() {
            return;
        }
        let lanes: Vec<ClaimedLane> = active.keys().cloned().collect();
        let lease = SignedDuration::try_from(self.options.lease).unwrap_or(SignedDuration::MAX);
        let until = self.machine.clock.now().saturating_add(lease).unwrap_or(Timestamp::MAX);
        match self.machine.parking.renew(&lanes, until).await {
            Ok(held) => active.iter().filter(|(lane, _)| !held.contains(lane)).for_each(|(lane, lost)| {
                tracing::debug!(handler = %lane.handler, key = %lane.key, "the lane has gone to another worker");
                lost.cancel();
            }),
            // The claims may run out: whoever takes them fences this worker.
            Err(error) => tracing::debug!(%error, "cannot renew claims on parked events; trying again"),
        }
    }
}

/// The time from `now` to `due`; none when it has passed.
fn until(now: Timestamp, due: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or_default()
}

fn forget(active: &mut Active, ended: Result<ClaimedLane, tokio::task::JoinError>) {
    // A task that was cut short leaves its lane behind; nothing does that but the end of the runtime.
    if let Ok(lane) = ended {
        active.remove(&lane);
    }
}
