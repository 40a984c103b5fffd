use activelog_application::{
    activity::ports::{Effect, EffectLedger},
    ports::{StorageError, StorageErrorKind},
};
use async_trait::async_trait;
use sqlx::{Row, SqlSafeStr};

use super::{PgDatabase, error::storage_error, session::Session};

/// The ledger of effects on PostgreSQL.
pub(super) struct PgEffectLedger<'u>(pub(super) &'u mut Session);

/// `saw` is the highest sequence of the subject that the transaction saw. The lock is for processes that start at once: creating what is not
/// there is no atomic act.
const TABLE: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS effect_ledger (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
     event_id uuid NOT NULL, subject text NOT NULL, sequence bigint NOT NULL, saw bigint)",
    "CREATE INDEX IF NOT EXISTS effect_ledger_by_subject ON effect_ledger (subject, sequence)",
];

impl PgDatabase {
    /// Makes the table of the ledger if it is missing.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn create_effect_ledger(&self) -> Result<(), StorageError> {
        const OPERATION: &str = "create effect ledger";
        let mut session = self.system(OPERATION).await?;
        session.begin("BEGIN".into_sql_str()).await?;
        session.execute(OPERATION, sqlx::query("SELECT pg_advisory_xact_lock(7310286531)")).await?;
        let found = session.one(OPERATION, sqlx::query("SELECT to_regclass('effect_ledger') IS NOT NULL")).await?;
        // What is there is left alone: making an index, even one that is there, waits for those who write.
        let found: bool = found.try_get(0).map_err(|error| storage_error(OPERATION, error))?;
        for statement in TABLE.into_iter().filter(|_| !found) {
            session.execute(OPERATION, sqlx::query(statement)).await?;
        }
        session.commit().await.map_err(|error| storage_error(OPERATION, error))
    }
}

#[async_trait]
impl EffectLedger for PgEffectLedger<'_> {
    async fn append(&mut self, effect: Effect<'_>) -> Result<(), StorageError> {
        const OPERATION: &str = "append to effect ledger";
        let sequence = i64::try_from(effect.sequence)
            .map_err(|error| StorageError::new(StorageErrorKind::Other, OPERATION, error))?;
        let query = sqlx::query(
            "INSERT INTO effect_ledger (event_id, subject, sequence, saw) \
             VALUES ($1, $2, $3, (SELECT max(sequence) FROM effect_ledger WHERE subject = $2))",
        );
        self.0.execute(OPERATION, query.bind(effect.event_id).bind(effect.subject).bind(sequence)).await.map(drop)
    }
}
