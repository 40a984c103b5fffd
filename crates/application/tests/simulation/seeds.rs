//! Runs of many seeds.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use crate::run::{Defect, run};

/// How many seeds are run unless `ACTIVELOG_SIMULATION_SEEDS` says otherwise.
const SEEDS: u64 = 1_000;

/// How many steps before the end are told of a run that failed.
const TOLD: usize = 200;

#[expect(clippy::disallowed_methods, reason = "what a test is asked for is no configuration of the program")]
fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

/// Runs every seed, or the one that was asked for.
pub(crate) fn all() {
    let failed = match number("ACTIVELOG_SIMULATION_SEED") {
        Some(seed) => run(seed, Defect::None, false).verdict.err().map(|wrong| (seed, wrong)),
        None => search(Defect::None, number("ACTIVELOG_SIMULATION_SEEDS").unwrap_or(SEEDS)),
    };
    if let Some((seed, wrong)) = failed {
        let trace = run(seed, Defect::None, true).trace;
        let told = &trace[trace.len().saturating_sub(TOLD)..];
        panic!("{}\nseed {seed}, again with ACTIVELOG_SIMULATION_SEED={seed}: {wrong}", told.join("\n"));
    }
}

/// One of the first `count` seeds shows the defect.
pub(crate) fn caught(defect: Defect, count: u64) {
    assert!(search(defect, count).is_some(), "{defect:?} was not noticed in {count} runs");
}

/// A seed below `count` that fails, the lowest that was found, and how.
fn search(defect: Defect, count: u64) -> Option<(u64, String)> {
    let next = AtomicU64::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count {
                return None;
            }
            if let Err(wrong) = run(seed, defect, false).verdict {
                next.store(count, Ordering::Relaxed);
                return Some((seed, wrong));
            }
        }
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().filter_map(|thread| thread.join().expect("a run does not panic")).min()
    })
}

/// What must come about in some of the first `count` runs, or they prove little.
pub(crate) fn comes_about(count: u64, wanted: &[&str]) {
    let mut missing: Vec<&str> = wanted.to_vec();
    for seed in 0..count {
        let trace = run(seed, Defect::None, true).trace;
        missing.retain(|text| !trace.iter().any(|line| line.contains(text)));
        if missing.is_empty() {
            return;
        }
    }
    panic!("never in {count} runs: {missing:?}");
}

/// The same seed does the same, step by step.
pub(crate) fn repeat(count: u64) {
    for seed in 0..count {
        let (once, again) = (run(seed, Defect::None, true), run(seed, Defect::None, true));
        assert!(once.trace.len() > 100, "seed {seed} does {} steps", once.trace.len());
        let differs = once.trace.iter().zip(&again.trace).position(|(one, other)| one != other);
        let at = differs.unwrap_or(once.trace.len().min(again.trace.len()));
        let around = |trace: &[String]| trace[at.saturating_sub(20)..trace.len().min(at + 3)].join("\n");
        let same = once.trace == again.trace;
        assert!(same, "seed {seed}:\n{}\n\nand again:\n{}", around(&once.trace), around(&again.trace));
    }
}
