use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use super::Pressure;

/// Says whether writes may be taken. Clones are the same gauge. A gauge that nobody sets says they may.
#[derive(Debug, Clone, Default)]
pub struct PressureGauge(Arc<State>);

#[derive(Debug, Default)]
struct State {
    on: AtomicBool,
    pressures: Mutex<Vec<Pressure>>,
}

impl PressureGauge {
    /// Why writes are to be refused; `None` when they may be taken, which costs one load of an atomic.
    pub fn pressure(&self) -> Option<Pressure> {
        if !self.0.on.load(Ordering::Relaxed) {
            return None;
        }
        self.0.pressures.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    /// Everything there is too much of.
    pub fn pressures(&self) -> Vec<Pressure> {
        self.0.pressures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what there is too much of; with nothing, writes may be taken.
    pub fn set(&self, pressures: Vec<Pressure>) {
        let mut held = self.0.pressures.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.on.store(!pressures.is_empty(), Ordering::Relaxed);
        *held = pressures;
    }
}
