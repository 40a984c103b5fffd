//! What was done and what came of it, over all scenarios: the table at the end.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    oracle::Verdict,
    schedule::{Component, Fault},
};

/// The figures of one database, or broker.
#[derive(Debug, Default)]
struct Figures {
    kills: BTreeMap<Component, u64>,
    freezes: BTreeMap<Component, u64>,
    troubles: BTreeMap<&'static str, u64>,
    stops: u64,
    slowest_stop: Duration,
    requests: u64,
    acknowledged: u64,
    unknown: u64,
    effects: u64,
    dead: u64,
    lost: u64,
    doubled: u64,
    reordered: u64,
    other: u64,
    times: BTreeMap<&'static str, Vec<Duration>>,
    notes: Vec<String>,
}

/// Counts, by database or broker.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<BTreeMap<&'static str, Figures>>);

/// The one of this process.
pub(crate) static TALLY: Tally = Tally(Mutex::new(BTreeMap::new()));

impl Tally {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Figures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fault has been done.
    pub(crate) fn fault(&self, database: &'static str, component: Component, fault: Fault) {
        let mut all = self.lock();
        let figures = all.entry(database).or_default();
        match fault {
            Fault::Kill => *figures.kills.entry(component).or_default() += 1,
            Fault::Freeze(_) => *figures.freezes.entry(component).or_default() += 1,
            Fault::Trouble(trouble, _) => *figures.troubles.entry(trouble.name()).or_default() += 1,
            Fault::Terminate | Fault::TerminateTwice(_) => figures.stops += 1,
        }
    }

    /// A stop in order has taken this long.
    pub(crate) fn stop(&self, database: &'static str, took: Duration) {
        let mut all = self.lock();
        let figures = all.entry(database).or_default();
        figures.slowest_stop = figures.slowest_stop.max(took);
    }

    /// Something whose time is bounded has taken this long.
    pub(crate) fn time(&self, database: &'static str, what: &'static str, took: Duration) {
        self.lock().entry(database).or_default().times.entry(what).or_default().push(took);
    }

    /// Something else worth telling.
    pub(crate) fn note(&self, database: &'static str, what: String) {
        self.lock().entry(database).or_default().notes.push(what);
    }

    /// A scenario has ended.
    pub(crate) fn judged(&self, database: &'static str, verdict: &Verdict) {
        let mut all = self.lock();
        let figures = all.entry(database).or_default();
        let counts = &verdict.counts;
        figures.requests += counts.requests;
        figures.acknowledged += counts.acknowledged;
        figures.unknown += counts.unknown;
        figures.effects += counts.effects;
        figures.dead += counts.dead;
        figures.lost += verdict.lost.len() as u64;
        figures.doubled += verdict.doubled.len() as u64;
        figures.reordered += verdict.reordered.len() as u64;
        figures.other += verdict.other.len() as u64;
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let all = self.lock();
        let mut text = String::new();
        for (database, f) in &*all {
            let _ = writeln!(text, "\n{database}");
            let _ = writeln!(text, "  kills (SIGKILL)           {}", counts(&f.kills));
            let _ = writeln!(text, "  frozen past the lease     {}", counts(&f.freezes));
            if !f.troubles.is_empty() {
                let _ = writeln!(text, "  connections               {}", counts(&f.troubles));
            }
            let _ = writeln!(text, "  stopped under load        {}, slowest {:.1?}", f.stops, f.slowest_stop);
            let _ = writeln!(
                text,
                "  requests                  {} sent, {} acknowledged, {} with unknown outcome",
                f.requests, f.acknowledged, f.unknown
            );
            let _ = writeln!(
                text,
                "  effects                   {}, and {} given up on as they had to be",
                f.effects, f.dead
            );
            let _ = writeln!(text, "  lost/doubled/reordered    {} / {} / {}", f.lost, f.doubled, f.reordered);
            let _ = writeln!(text, "  other violations          {}", f.other);
            for (what, times) in &f.times {
                let _ = writeln!(text, "  {what:<25} {}", percentiles(times));
            }
            for note in &f.notes {
                let _ = writeln!(text, "  {note}");
            }
        }
        text
    }
}

fn counts(counts: &BTreeMap<impl Display, u64>) -> String {
    let counted: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    if counted.is_empty() { "none".to_owned() } else { counted.join(", ") }
}

/// Of at least one time.
fn percentiles(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)];
    format!("p50 {:.2?}, p99 {:.2?}, longest {:.2?} of {}", at(50), at(99), at(100), sorted.len())
}
