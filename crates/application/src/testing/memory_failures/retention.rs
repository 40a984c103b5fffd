use std::collections::HashSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    FailureTables,
    tables::{Address, address},
};
use crate::ports::PrunedUpTo;

/// What retention does to the tables.
impl FailureTables {
    pub(in crate::testing) fn prune_inbox(
        &mut self,
        after: Option<Timestamp>,
        before: Timestamp,
        limit: u32,
        coming: &HashSet<Uuid>,
    ) -> PrunedUpTo {
        let old = |at: &Timestamp| *at < before && after.is_none_or(|after| *at > after);
        let mut ages: Vec<Timestamp> = self.inbox.values().copied().filter(old).collect();
        ages.sort_unstable();
        let last = usize::try_from(limit.max(1)).unwrap_or(usize::MAX) - 1;
        let reached = ages.get(last).copied();
        let parked: HashSet<Address> = self.parked.values().map(|event| address(&event.addressed)).collect();
        let old = |at: &Timestamp| old(at) && reached.is_none_or(|reached| *at <= reached);
        let gone: Vec<Address> = (self.inbox.iter())
            .filter(|(of, at)| old(at) && !coming.contains(&of.1) && !parked.contains(*of) && !self.is_dead(of))
            .map(|(of, _)| of.clone())
            .collect();
        for of in &gone {
            self.inbox.remove(of);
        }
        PrunedUpTo { removed: gone.len() as u64, reached }
    }

    pub(in crate::testing) fn is_replaying(&self) -> bool {
        !self.replays.is_empty()
    }

    pub(in crate::testing) fn prune_marks(&mut self, before: Timestamp, limit: u32) -> u64 {
        let old = self.marks.iter().filter(|(_, mark)| mark.1 < before).map(|(of, _)| of.clone());
        let old: Vec<Address> = old.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
        old.iter().filter(|of| self.marks.remove(*of).is_some()).count() as u64
    }

    pub(in crate::testing) fn prune_runs(&mut self, before: Timestamp, limit: u32) -> u64 {
        let mut left = limit;
        let mut removed = 0;
        for runs in self.runs.values_mut() {
            runs.retain(|_, seen| {
                let gone = *seen < before && left > 0;
                left -= u32::from(gone);
                removed += u64::from(gone);
                !gone
            });
        }
        removed
    }
}
