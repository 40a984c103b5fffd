//! What happens by chance, decided by the seed.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use activelog_application::ports::{StorageError, StorageErrorKind};

pub(crate) struct Chance {
    rng: Mutex<fastrand::Rng>,
    calm: AtomicBool,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Mutex::new(fastrand::Rng::with_seed(seed)), calm: AtomicBool::new(false) }
    }

    /// A number below `bound`.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.rng.lock().expect("not poisoned").u64(0..bound)
    }

    /// Nothing goes wrong from now on.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::Release);
    }

    /// Whether something goes wrong that does once in `times`.
    pub(crate) fn mishap(&self, times: u64) -> bool {
        !self.calm.load(Ordering::Acquire) && self.below(times) == 0
    }

    /// A point at which the process may end.
    pub(crate) async fn pause(&self) {
        let millis = self.below(4);
        if millis > 0 && !self.calm.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }

    /// The storage is away now and then.
    pub(crate) async fn reach(&self, operation: &'static str) -> Result<(), StorageError> {
        self.pause().await;
        match self.mishap(60) {
            true => Err(StorageError::new(StorageErrorKind::Unavailable, operation, "by chance")),
            false => Ok(()),
        }
    }
}
