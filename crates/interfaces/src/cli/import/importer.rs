use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use xxhash_rust::xxh3::xxh3_128;

use super::ImportRow;

/// How many ids a dry run remembers: the bound on its memory.
const DRY_RUN_IDS: usize = 1_000_000;

/// Stores rows: the use case that imports an activity, as an import sees it.
#[async_trait]
pub trait Importer: Send + Sync {
    /// Stores a row and the fact that it was imported, both or neither. Called for many rows at once, never for two with the
    /// same id.
    async fn import(&self, row: &ImportRow) -> Result<(), ImportFailure>;
}

/// A row was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportFailure {
    /// It was stored before.
    #[error("was imported before")]
    AlreadyImported,
    /// It breaks a rule, and always will.
    #[error("{0}")]
    Refused(String),
    /// It may be stored later.
    #[error("{reason}")]
    Transient {
        /// What is in the way.
        reason: String,
        /// How long that will last at least.
        retry_after: Duration,
        /// Whether it may have been stored all the same, so that finding it stored means that this run did it.
        outcome_unknown: bool,
    },
    /// No row can be stored.
    #[error("{0}")]
    Fatal(String),
}

/// Stores nothing, and tells rows that occur twice in a file.
#[derive(Debug, Default)]
pub struct DryRun {
    seen: Mutex<HashSet<u128>>,
}

#[async_trait]
impl Importer for DryRun {
    async fn import(&self, row: &ImportRow) -> Result<(), ImportFailure> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let id = xxh3_128(row.external_id.as_bytes());
        let new = if seen.len() < DRY_RUN_IDS { seen.insert(id) } else { !seen.contains(&id) };
        if new { Ok(()) } else { Err(ImportFailure::AlreadyImported) }
    }
}
