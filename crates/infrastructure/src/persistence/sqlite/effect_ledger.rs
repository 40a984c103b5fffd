use activelog_application::{
    activity::ports::{Effect, EffectLedger},
    ports::StorageError,
};
use async_trait::async_trait;

use super::{SqliteDatabase, statement::Statement, write_unit::WriteUnit};

/// The ledger of effects in a unit of work.
pub(super) struct SqliteEffectLedger<'a> {
    pub(super) unit: &'a mut WriteUnit,
}

/// `saw` is the highest sequence of the subject that the transaction saw.
const TABLE: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS effect_ledger (number INTEGER PRIMARY KEY AUTOINCREMENT, event_id BLOB NOT NULL, \
     subject TEXT NOT NULL, sequence INTEGER NOT NULL, saw INTEGER) STRICT",
    "CREATE INDEX IF NOT EXISTS effect_ledger_by_subject ON effect_ledger (subject, sequence)",
];

impl SqliteDatabase {
    /// Makes the table of the ledger if it is missing.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn create_effect_ledger(&self) -> Result<(), StorageError> {
        let mut unit = self.inner.writer.begin_now().await?;
        for statement in TABLE {
            unit.execute(Statement::new("create effect ledger", statement)).await?;
        }
        unit.finish().await
    }
}

#[async_trait]
impl EffectLedger for SqliteEffectLedger<'_> {
    async fn append(&mut self, effect: Effect<'_>) -> Result<(), StorageError> {
        let insert = Statement::new(
            "append to effect ledger",
            "INSERT INTO effect_ledger (event_id, subject, sequence, saw) \
             VALUES (?, ?, ?, (SELECT max(sequence) FROM effect_ledger WHERE subject = ?))",
        );
        let insert =
            insert.bind(effect.event_id).bind(effect.subject).bind_unsigned(effect.sequence).bind(effect.subject);
        self.unit.execute(insert).await.map(drop)
    }
}
