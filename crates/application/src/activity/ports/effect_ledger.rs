use async_trait::async_trait;
use uuid::Uuid;

use crate::ports::{StorageError, StorageErrorKind};

/// What a handler did for one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect<'a> {
    /// The event.
    pub event_id: Uuid,
    /// Its aggregate.
    pub subject: &'a str,
    /// The aggregate's version.
    pub sequence: u64,
}

/// A list of effects for fault suites, written in the transaction of the handler. Nothing in it is unique and nothing is ever changed: an effect
/// that takes place twice is there twice.
#[async_trait]
pub trait EffectLedger: Send {
    /// Appends an effect, and with it the highest sequence of its subject that this transaction sees, so that transactions that should have
    /// come one after the other and did not give themselves away.
    async fn append(&mut self, effect: Effect<'_>) -> Result<(), StorageError>;
}

/// The ledger of a storage that keeps none: nothing can be appended.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEffectLedger;

#[async_trait]
impl EffectLedger for NoEffectLedger {
    async fn append(&mut self, _: Effect<'_>) -> Result<(), StorageError> {
        Err(StorageError::new(
            StorageErrorKind::Other,
            "append to effect ledger",
            "this storage keeps no ledger of effects",
        ))
    }
}
