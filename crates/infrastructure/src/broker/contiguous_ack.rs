use std::collections::BTreeMap;

/// Which positions have been acknowledged, and up to where all of them have.
///
/// Positions are 1, 2, 3 … without gaps. What lies ahead of the watermark is kept as ranges, so that memory grows with the
/// number of *gaps* only: one open event and a million acknowledged behind it take one range.
#[derive(Debug, Default)]
pub(super) struct ContiguousAck {
    watermark: u64,
    /// First and last position of each acknowledged range ahead of the watermark; ranges neither touch nor overlap.
    ahead: BTreeMap<u64, u64>,
}

impl ContiguousAck {
    /// Everything up to `watermark` is acknowledged, and nothing after it.
    pub(super) fn new(watermark: u64) -> Self {
        Self { watermark, ahead: BTreeMap::new() }
    }

    /// The last position up to which, and including which, everything is acknowledged.
    pub(super) fn watermark(&self) -> u64 {
        self.watermark
    }

    /// Acknowledges one position. Whether the watermark has moved.
    pub(super) fn acknowledge(&mut self, position: u64) -> bool {
        self.acknowledge_range(position, position)
    }

    /// Acknowledges the positions from `first` to `last`. Whether the watermark has moved.
    pub(super) fn acknowledge_range(&mut self, first: u64, last: u64) -> bool {
        if last < first || last <= self.watermark {
            return false;
        }
        let (mut first, mut last) = (first, last);
        // Take in every range that overlaps or touches this one; they are disjoint, so going down from the end finds all.
        while let Some((&start, &end)) = self.ahead.range(..=last + 1).next_back() {
            if end + 1 < first {
                break;
            }
            self.ahead.remove(&start);
            first = first.min(start);
            last = last.max(end);
        }
        if first <= self.watermark + 1 {
            self.watermark = last;
            return true;
        }
        self.ahead.insert(first, last);
        false
    }

    /// Acknowledges everything up to and including `position`.
    pub(super) fn advance_to(&mut self, position: u64) {
        if position <= self.watermark {
            return;
        }
        self.watermark = position;
        while let Some((start, end)) = self.ahead.pop_first() {
            if start > self.watermark + 1 {
                self.ahead.insert(start, end);
                break;
            }
            self.watermark = self.watermark.max(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What `ContiguousAck` must be equal to, written to be obviously right.
    struct Naive {
        acknowledged: BTreeSet<u64>,
    }

    impl Naive {
        fn watermark(&self) -> u64 {
            (1..).take_while(|position| self.acknowledged.contains(position)).last().unwrap_or(0)
        }
    }

    #[test]
    fn waits_for_the_gap_to_close() {
        let mut acks = ContiguousAck::new(10);
        assert!(!acks.acknowledge(12));
        assert!(!acks.acknowledge(13));
        assert_eq!(acks.watermark(), 10);
        assert!(acks.acknowledge(11));
        assert_eq!(acks.watermark(), 13);
    }

    #[test]
    fn acknowledging_twice_changes_nothing() {
        let mut acks = ContiguousAck::new(0);
        assert!(acks.acknowledge(1));
        assert!(!acks.acknowledge(1));
        assert!(!acks.acknowledge(3));
        assert!(!acks.acknowledge(3));
        assert_eq!(acks.watermark(), 1);
    }

    #[test]
    fn keeps_one_range_however_much_is_ahead() {
        let mut acks = ContiguousAck::new(0);
        for position in 2..=100_000 {
            acks.acknowledge(position);
        }
        assert_eq!(acks.ahead.len(), 1);
    }

    proptest! {
        #[test]
        fn equals_the_naive_model(steps in prop::collection::vec((1_u64..60, 0_u64..4, prop::bool::weighted(0.05)), 0..100)) {
            let mut acks = ContiguousAck::new(0);
            let mut naive = Naive { acknowledged: BTreeSet::new() };
            for (position, more, whole) in steps {
                let before = naive.watermark();
                if whole {
                    acks.advance_to(position);
                    naive.acknowledged.extend(1..=position);
                } else {
                    let moved = acks.acknowledge_range(position, position + more);
                    naive.acknowledged.extend(position..=position + more);
                    prop_assert_eq!(moved, naive.watermark() > before);
                }
                prop_assert_eq!(acks.watermark(), naive.watermark());
                prop_assert!(acks.ahead.keys().all(|start| *start > acks.watermark() + 1));
            }
        }
    }
}
