//! What happens by chance, decided by the seed.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

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

    /// An index of something that has `len` items.
    pub(crate) fn index(&self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("as small as `len`")
    }

    /// Nothing goes wrong from now on.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::Release);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Acquire)
    }

    /// Whether something goes wrong that does once in `times`.
    pub(crate) fn mishap(&self, times: u64) -> bool {
        !self.is_calm() && self.below(times) == 0
    }
}
