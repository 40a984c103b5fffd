//! Runs of many seeds.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::run::{Defect, run};

/// Runs every seed below `count`, or the one that was asked for.
pub(crate) fn all(count: u64) {
    if let Some(seed) = std::env::var_os("ACTIVELOG_TEST_SEED") {
        let seed = seed.to_str().and_then(|text| text.parse().ok()).expect("ACTIVELOG_TEST_SEED must be a number");
        run(seed, Defect::None).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        return;
    }
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count {
                return None;
            }
            if let Err(error) = run(seed, Defect::None) {
                next.store(count, Ordering::Relaxed);
                return Some(format!("seed {seed} (again with ACTIVELOG_TEST_SEED={seed}): {error}"));
            }
        }
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().filter_map(|thread| thread.join().expect("a run does not panic")).collect()
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

/// One of the first `count` seeds shows the defect.
pub(crate) fn caught(defect: Defect, count: u64) {
    assert!((0..count).any(|seed| run(seed, defect).is_err()), "{defect:?} was not noticed in {count} runs");
}
