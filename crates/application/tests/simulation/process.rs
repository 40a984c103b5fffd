//! A process of a run. Whatever it does to the world outside goes through here, so it can end, or stand still, between any two steps.

use std::{
    fmt::Display,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use activelog_application::ports::{StorageError, StorageErrorKind};
use tokio::{sync::Notify, time::Instant};

use crate::world::World;

/// What writes failures down. Nothing but trying again later helps a worker that cannot, so these may fail in any way.
const WRITES_DOWN: [&str; 4] = ["park", "bury", "postpone", "give up"];

pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) world: Arc<World>,
    dead: AtomicBool,
    thaws: Mutex<Option<Instant>>,
    crashed: Notify,
}

impl Process {
    pub(crate) fn new(world: &Arc<World>, name: String) -> Arc<Self> {
        let (dead, thaws, crashed) = (AtomicBool::new(false), Mutex::default(), Notify::new());
        Arc::new(Self { name, world: world.clone(), dead, thaws, crashed })
    }

    /// From now on it does nothing any more, whatever of it still runs.
    pub(crate) fn die(&self) {
        self.note(|| "killed".to_owned());
        self.dead.store(true, Ordering::Release);
    }

    /// It ends itself, in the middle of what it does.
    pub(crate) async fn crash(&self) {
        self.note(|| "crashes".to_owned());
        self.dead.store(true, Ordering::Release);
        self.world.crashed();
        self.crashed.notify_one();
        pending().await
    }

    /// Returns when it has ended itself.
    pub(crate) async fn crashed(&self) {
        self.crashed.notified().await;
    }

    /// It stands still for so long.
    pub(crate) fn freeze(&self, time: Duration) {
        self.note(|| format!("frozen for {time:?}"));
        *self.thaws.lock().expect("not poisoned") = Some(Instant::now() + time);
    }

    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        self.world.trace.note(&self.name, what);
    }

    /// Goes on only as long as it lives.
    async fn alive(&self) {
        loop {
            if self.dead.load(Ordering::Acquire) {
                return pending().await;
            }
            let thaws = *self.thaws.lock().expect("not poisoned");
            match thaws.filter(|at| *at > Instant::now()) {
                Some(at) => tokio::time::sleep_until(at).await,
                None => return,
            }
        }
    }

    /// A point at which it may end, or others may go first.
    pub(crate) async fn pause(&self) {
        if !self.world.chance.is_calm() {
            let millis = self.world.chance.below(4);
            if millis > 0 {
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
        }
        self.alive().await;
    }

    /// On the way to the storage, which is away now and then, or busy.
    pub(crate) async fn reach(&self, operation: &'static str) -> Result<(), StorageError> {
        self.pause().await;
        let chance = &self.world.chance;
        let kind = if self.world.is_away() || chance.mishap(80) {
            StorageErrorKind::Unavailable
        } else if chance.mishap(80) {
            StorageErrorKind::Contention
        } else if WRITES_DOWN.contains(&operation) && chance.mishap(20) {
            StorageErrorKind::Other
        } else {
            return Ok(());
        };
        let failed = Err(StorageError::new(kind, operation, "not done"));
        self.told(operation, &failed);
        failed
    }

    /// On the way back: the answer is lost now and then.
    pub(crate) async fn back(&self, operation: &'static str) -> Result<(), StorageError> {
        self.pause().await;
        if self.world.is_away() || self.world.chance.mishap(80) {
            let lost = Err(StorageError::new(StorageErrorKind::Unavailable, operation, "the answer is lost"));
            self.told(operation, &lost);
            return lost;
        }
        Ok(())
    }

    pub(crate) fn told<T, E: Display>(&self, operation: &str, outcome: &Result<T, E>) {
        self.world.trace.outcome(&self.name, operation, outcome);
    }
}

/// Does something to the storage, with a way there and a way back.
macro_rules! step {
    ($process:expr, $operation:literal, $call:expr) => {{
        $process.reach($operation).await?;
        let outcome = $call.await;
        $process.told($operation, &outcome);
        $process.back($operation).await?;
        outcome
    }};
}

pub(crate) use step;
