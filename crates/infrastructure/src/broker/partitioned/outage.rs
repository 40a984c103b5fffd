use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use activelog_application::ports::StorageError;

use super::backoff::Backoff;

/// What is failing at the moment: one entry for each loop that cannot do its work.
#[derive(Debug, Default)]
pub(in crate::broker) struct Outages {
    open: Mutex<BTreeMap<(String, &'static str), String>>,
}

impl Outages {
    /// What is failing, for people; `None` when nothing is.
    pub(in crate::broker) fn reason(&self) -> Option<String> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().next().map(|((group, activity), error)| format!("group {group}: {activity}: {error}"))
    }
}

/// The outages of one loop: told once when one begins and once when it ends, with growing delays in between.
#[derive(Debug)]
pub(in crate::broker) struct Outage {
    all: Arc<Outages>,
    group: String,
    member: String,
    activity: &'static str,
    failing: bool,
    backoff: Backoff,
}

impl Outage {
    /// For what `member` of `group` does: "renewing leases".
    pub(in crate::broker) fn new(all: &Arc<Outages>, group: &str, member: &str, activity: &'static str) -> Self {
        let (all, group, member) = (Arc::clone(all), group.to_owned(), member.to_owned());
        Self { all, group, member, activity, failing: false, backoff: Backoff::default() }
    }

    /// It has failed. How long to wait before the next try.
    pub(in crate::broker) fn failed(&mut self, error: &StorageError) -> Duration {
        if !self.failing {
            self.failing = true;
            tracing::warn!(
                group = self.group,
                member = self.member,
                activity = self.activity,
                error = %error,
                "what a subscription stands on fails; it tries again until that works"
            );
            let mut open = self.all.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.insert(self.key(), error.to_string());
        }
        self.backoff.next()
    }

    /// It has worked.
    pub(in crate::broker) fn worked(&mut self) {
        if self.failing {
            self.end();
            tracing::info!(
                group = self.group,
                member = self.member,
                activity = self.activity,
                "a subscription works again"
            );
        }
    }

    fn end(&mut self) {
        self.failing = false;
        self.backoff.reset();
        self.all.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key());
    }

    fn key(&self) -> (String, &'static str) {
        (format!("{}, member {}", self.group, self.member), self.activity)
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        if self.failing {
            self.end();
        }
    }
}
