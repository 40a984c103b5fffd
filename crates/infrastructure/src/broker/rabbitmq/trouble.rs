use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::error::AnyError;

const FIRST: Duration = Duration::from_millis(50);
const MOST: Duration = Duration::from_secs(2);

/// What does not work at the moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Troubles(Arc<Mutex<BTreeMap<String, String>>>);

impl Troubles {
    /// What does not work, for people; `None` when everything does.
    pub(super) fn reason(&self) -> Option<String> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().next().map(|(what, error)| format!("{what}: {error}"))
    }

    /// For one thing that may not work: `group statistics, partition 3`.
    pub(super) fn of(&self, what: impl Into<String>) -> Trouble {
        Trouble { all: self.clone(), what: what.into(), tries: 0, open: false }
    }
}

/// One thing that may not work: told once when it stops working and once when it works again, with growing delays between tries.
#[derive(Debug)]
pub(super) struct Trouble {
    all: Troubles,
    what: String,
    tries: u32,
    open: bool,
}

impl Trouble {
    /// It has failed. How long to wait before the next try: doubling, capped, jittered so that many do not come back at once.
    pub(super) fn failed(&mut self, error: &AnyError) -> Duration {
        if !self.open {
            self.open = true;
            tracing::warn!(what = self.what, error, "RabbitMQ: something does not work; trying until it does");
        }
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(self.what.clone(), error.to_string());
        let step = FIRST.saturating_mul(1_u32.checked_shl(self.tries).unwrap_or(u32::MAX)).min(MOST);
        self.tries = (self.tries + 1).min(16);
        step.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// It works.
    pub(super) fn worked(&mut self) {
        self.tries = 0;
        if self.open {
            self.close();
            tracing::info!(what = self.what, "RabbitMQ: it works again");
        }
    }

    fn close(&mut self) {
        self.open = false;
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.what);
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        if self.open {
            self.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_told_while_it_lasts_and_waits_no_longer_than_the_cap() {
        let troubles = Troubles::default();
        let mut trouble = troubles.of("connection");
        let error: AnyError = "refused".into();
        assert!(trouble.failed(&error) <= FIRST);
        for _ in 0..100 {
            assert!(trouble.failed(&error) <= MOST);
        }
        assert_eq!(troubles.reason().as_deref(), Some("connection: refused"));
        trouble.worked();
        assert_eq!(troubles.reason(), None);
        assert!(trouble.failed(&error) <= FIRST);
        drop(trouble);
        assert_eq!(troubles.reason(), None);
    }
}
