use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use activelog_application::ports::Partition;
use tokio::time::Instant;

use super::shares::share_of;

/// How long a member counts of which nothing is heard.
pub(super) const SILENCE: Duration = Duration::from_secs(4);

/// The members of a group, as one of them sees it. It may be wrong for a while: that two consume a queue is prevented by the server.
#[derive(Debug)]
pub(super) struct View {
    own: String,
    others: Mutex<BTreeMap<String, Other>>,
}

#[derive(Debug)]
struct Other {
    heard: Instant,
    held: u64,
}

impl View {
    pub(super) fn new(own: String) -> Self {
        Self { own, others: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Other>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A member is there, and has this many events. Whether it is new.
    pub(super) fn heard(&self, member: &str, held: u64, now: Instant) -> bool {
        self.lock().insert(member.to_owned(), Other { heard: now, held }).is_none()
    }

    /// A member has left. Whether it was known.
    pub(super) fn left(&self, member: &str) -> bool {
        self.lock().remove(member).is_some()
    }

    /// Forgets those of which nothing was heard for long. Whether there was one.
    pub(super) fn expire(&self, now: Instant) -> bool {
        let mut others = self.lock();
        let before = others.len();
        others.retain(|_, other| other.heard + SILENCE > now);
        others.len() < before
    }

    /// What is this member's to consume.
    pub(super) fn share(&self) -> Vec<Partition> {
        let others = self.lock();
        let members: Vec<&str> = others.keys().map(String::as_str).chain([self.own.as_str()]).collect();
        share_of(&self.own, &members)
    }

    /// How many events the other members had when they were last heard.
    pub(super) fn held_by_others(&self) -> u64 {
        self.lock().values().map(|other| other.held).sum()
    }
}
