//! One judge for all scenarios. It compares what the clients were told with what is in the tables, the journal, and the ledger of effects.
//!
//! 1. Every acknowledged change is there; one whose outcome is unknown is there or not, never half.
//! 2. The ledger has one line for every event of the journal, except for those that were given up on or are held behind one, which are exactly the
//!    events of activities that ask for it.
//! 3. Per aggregate the ledger's order is that of the versions, each having seen the one before.
//! 4. Projections equal a recomputation (which [`super::evidence`] has computed, as it takes the application's code).
//! 5. Nothing is given up on because of what was done to the program from outside.

#[path = "doctored.rs"]
pub(crate) mod doctored;
#[path = "effects.rs"]
mod effects;
#[path = "requests.rs"]
mod requests;
#[path = "testimony.rs"]
mod testimony;

pub(crate) use effects::PROJECTING;
pub(crate) use testimony::{Dead, Evidence, LedgerLine, Published, Stored};

use crate::log::Outcome;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Acknowledged changes that are not there, and effects that did not take place.
    pub(crate) lost: Vec<String>,
    /// What has taken place more than once.
    pub(crate) doubled: Vec<String>,
    /// What has taken place in the wrong order.
    pub(crate) reordered: Vec<String>,
    /// Everything else that must not be.
    pub(crate) other: Vec<String>,
    pub(crate) counts: Counts,
}

/// How much there was to judge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) acknowledged: u64,
    pub(crate) unknown: u64,
    pub(crate) effects: u64,
    pub(crate) dead: u64,
}

/// Judges.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict { counts: count(evidence), ..Verdict::default() };
    verdict.other.extend(evidence.log.wrong_answers.iter().cloned());
    verdict.other.extend(evidence.projections.iter().cloned());
    requests::judge(evidence, &mut verdict);
    effects::judge(evidence, &mut verdict);
    verdict
}

fn count(evidence: &Evidence) -> Counts {
    let outcomes = || evidence.log.lives.iter().flat_map(|life| &life.requests).map(|request| request.outcome);
    let count = |wanted| outcomes().filter(|outcome| *outcome == wanted).count() as u64;
    Counts {
        requests: count(Outcome::Acknowledged) + count(Outcome::Unknown),
        acknowledged: count(Outcome::Acknowledged),
        unknown: count(Outcome::Unknown),
        effects: evidence.ledger.len() as u64,
        dead: evidence.dead.len() as u64,
    }
}

impl Verdict {
    /// Whether everything is as promised.
    pub(crate) fn is_good(&self) -> bool {
        [&self.lost, &self.doubled, &self.reordered, &self.other].iter().all(|found| found.is_empty())
    }

    /// What is wrong, a line each, as far as one can read it.
    pub(crate) fn report(&self) -> String {
        const SHOWN: usize = 8;
        let mut lines = Vec::new();
        for (kind, found) in
            [("lost", &self.lost), ("doubled", &self.doubled), ("reordered", &self.reordered), ("other", &self.other)]
        {
            lines.extend(found.iter().take(SHOWN).map(|one| format!("{kind}: {one}")));
            if found.len() > SHOWN {
                lines.push(format!("{kind}: and {} more", found.len() - SHOWN));
            }
        }
        lines.join("\n")
    }
}
