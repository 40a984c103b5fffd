use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

/// How many events are remembered. Beyond that, marks that are void count like others, which makes suspects of their events.
const EVENTS_MAX: usize = 10_000;

/// Crash marks of this run that tell of no crash, as the run goes on: the storage failed between mark and handler, or between the handler's
/// answer and the erasure, or the attempt was dropped. Without this, an event would be blamed for the trouble of a database, or for a stop.
#[derive(Default)]
pub(super) struct VoidMarks(Mutex<BTreeMap<(&'static str, Uuid), u32>>);

impl VoidMarks {
    /// All marks of the event are void, save the first `telling`.
    pub(super) fn all_but(&self, telling: u32, handler: &'static str, event: Uuid) {
        let mut known = self.lock();
        if known.len() < EVENTS_MAX || known.contains_key(&(handler, event)) {
            known.insert((handler, event), telling);
        }
    }

    /// How many of `left` marks tell of a crash.
    pub(super) fn telling(&self, handler: &'static str, event: Uuid, left: u32) -> u32 {
        self.lock().get(&(handler, event)).map_or(left, |telling| left.min(*telling))
    }

    /// The events none of whose marks tells of a crash, with their handlers.
    pub(super) fn innocent(&self) -> Vec<(&'static str, Uuid)> {
        let known = self.lock();
        known.iter().filter(|(_, telling)| **telling == 0).map(|(of, _)| *of).collect()
    }

    /// The event has no marks any more.
    pub(super) fn forget(&self, handler: &'static str, event: Uuid) {
        self.lock().remove(&(handler, event));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(&'static str, Uuid), u32>> {
        // All changes are single calls, so a panic cannot have left it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_before_still_counts() {
        let (marks, event) = (VoidMarks::default(), Uuid::nil());
        assert_eq!(marks.telling("one", event, 2), 2);
        marks.all_but(2, "one", event);
        assert_eq!(marks.telling("one", event, 3), 2);
        assert_eq!(marks.telling("two", event, 3), 3, "another handler's");
        marks.forget("one", event);
        assert_eq!(marks.telling("one", event, 1), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let marks = VoidMarks::default();
        (0..=EVENTS_MAX).for_each(|n| marks.all_but(0, "one", Uuid::from_u128(n as u128)));
        assert_eq!(marks.lock().len(), EVENTS_MAX);
    }
}
