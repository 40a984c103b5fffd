use std::time::Duration;

use activelog_application::ports::{CommitError, StorageError, StorageErrorKind};
use tokio::{sync::oneshot, time::Instant};

use super::error_mapping::kind_of;

/// What every unit of work of a group is told in the end.
pub(super) type Verdict = Result<(), CommitError>;

/// Units of work that are committed together.
#[derive(Default)]
pub(super) struct Group {
    /// Those that have committed and wait for the outer transaction.
    participants: Vec<oneshot::Sender<Verdict>>,
    /// How many have had their turn, also those that were rolled back.
    units: usize,
    began: Option<Instant>,
    /// What they have written to together.
    pub(super) touched: Touched,
}

/// What was written to that somebody listens to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Touched {
    pub(super) outbox: bool,
    pub(super) journal: bool,
}

impl Touched {
    /// What either has touched.
    pub(super) fn and(self, other: Self) -> Self {
        Self { outbox: self.outbox || other.outbox, journal: self.journal || other.journal }
    }
}

/// Why a group could not be committed.
#[derive(Debug)]
pub(super) struct Failure {
    kind: StorageErrorKind,
    reason: String,
    /// Whether it may have been committed all the same.
    unknown: bool,
}

impl Failure {
    /// Nothing was committed.
    pub(super) fn rolled_back(error: &sqlx::Error) -> Self {
        Self { kind: kind_of(error), reason: error.to_string(), unknown: false }
    }

    /// COMMIT itself failed. When the disk is full or the lock is held, the commit record was not written; after any other
    /// error it may be in the file and count after a crash.
    pub(super) fn of_commit(error: &sqlx::Error) -> Self {
        let kind = kind_of(error);
        let unknown = !matches!(kind, StorageErrorKind::Full | StorageErrorKind::Contention);
        Self { kind, reason: error.to_string(), unknown }
    }

    /// What it means for a statement that comes after it.
    pub(super) fn error(&self, operation: &'static str) -> StorageError {
        StorageError::new(self.kind, operation, self.reason.clone())
    }

    fn verdict(&self) -> CommitError {
        let error = self.error("commit group");
        if self.unknown { CommitError::Unknown(error) } else { CommitError::RolledBack(error) }
    }
}

impl Group {
    /// A group whose outer transaction begins now.
    pub(super) fn begin() -> Self {
        Self { began: Some(Instant::now()), ..Self::default() }
    }

    /// Counts a unit of work.
    pub(super) fn count(&mut self) {
        self.units += 1;
    }

    /// Adds units of work that wait for the commit.
    pub(super) fn join(&mut self, participants: impl IntoIterator<Item = oneshot::Sender<Verdict>>) {
        self.participants.extend(participants);
    }

    /// Whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.participants.is_empty()
    }

    /// Whether the commit must not wait for more units of work.
    pub(super) fn is_due(&self, max_batch: usize, max_age: Duration) -> bool {
        self.units >= max_batch || self.began.is_some_and(|began| began.elapsed() >= max_age)
    }

    /// Tells every participant that it is committed.
    pub(super) fn succeed(self) {
        for participant in self.participants {
            // A participant that is gone does not want to know.
            let _ = participant.send(Ok(()));
        }
    }

    /// Tells every participant that it is not.
    pub(super) fn fail(self, failure: &Failure) {
        for participant in self.participants {
            let _ = participant.send(Err(failure.verdict()));
        }
    }
}
