use serde::Serialize;

/// How many refused rows a report keeps; a [`RefusalSink`](super::RefusalSink) gets all of them.
pub(super) const REFUSALS_KEPT: usize = 20;

/// A row that was not imported, and never will be as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The line it begins on, from 1.
    pub line: u64,
    /// Its id in the system it comes from, where that could be read.
    pub activity_id: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// Why an import ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Stop {
    /// Every row was looked at.
    #[default]
    Completed,
    /// It was asked to stop. Running it again resumes it.
    Interrupted,
    /// Something failed that was not the fault of a row. Running it again resumes it.
    Failed(String),
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Rows that are activities now.
    pub imported: u64,
    /// Rows that were imported before, in this file or in an earlier run.
    pub skipped: u64,
    /// Rows that cannot be imported.
    pub refused: u64,
    /// The first of them.
    pub first_refused: Vec<Refusal>,
    /// Why it ended.
    pub stop: Stop,
}

impl ImportReport {
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refused += 1;
        if self.first_refused.len() < REFUSALS_KEPT {
            self.first_refused.push(refusal);
        }
    }
}
