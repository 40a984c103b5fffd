use activelog_application::ports::{CrashMarks, StorageError};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{database::PgDatabase, rows::Columns};

#[async_trait]
impl CrashMarks for PgDatabase {
    async fn left(&self, handler: &str, event_id: Uuid) -> Result<u32, StorageError> {
        const OPERATION: &str = "read crash marks";
        let query = sqlx::query("SELECT marks FROM crash_marks WHERE handler = $1 AND event_id = $2");
        let row = self.system(OPERATION).await?.row(OPERATION, query.bind(handler).bind(event_id)).await?;
        let Some(row) = row else { return Ok(0) };
        let mut columns = Columns::of(&row, OPERATION);
        let marks: i32 = columns.take()?;
        columns.checked(u32::try_from(marks))
    }

    async fn mark(&self, handler: &str, event_id: Uuid) -> Result<(), StorageError> {
        const OPERATION: &str = "make crash mark";
        let query = sqlx::query(
            "INSERT INTO crash_marks AS c (handler, event_id, marks, marked_at) VALUES ($1, $2, 1, $3) \
             ON CONFLICT (handler, event_id) DO UPDATE SET marks = c.marks + 1, marked_at = EXCLUDED.marked_at",
        );
        let query = query.bind(handler).bind(event_id).bind(self.shared.clock.now().to_sqlx());
        self.system(OPERATION).await?.execute(OPERATION, query).await.map(drop)
    }

    async fn erase(&self, handler: &str, event_id: Uuid) -> Result<(), StorageError> {
        const OPERATION: &str = "erase crash marks";
        let query = sqlx::query("DELETE FROM crash_marks WHERE handler = $1 AND event_id = $2");
        self.system(OPERATION).await?.execute(OPERATION, query.bind(handler).bind(event_id)).await.map(drop)
    }

    async fn running(&self, group: &str, run: Uuid) -> Result<(), StorageError> {
        const OPERATION: &str = "note run";
        let query = sqlx::query(
            "INSERT INTO worker_runs (group_name, run, seen_at) VALUES ($1, $2, $3) \
             ON CONFLICT (group_name, run) DO UPDATE SET seen_at = EXCLUDED.seen_at",
        );
        let query = query.bind(group).bind(run).bind(self.shared.clock.now().to_sqlx());
        self.system(OPERATION).await?.execute(OPERATION, query).await.map(drop)
    }

    async fn runs(&self, group: &str) -> Result<Vec<(Uuid, Timestamp)>, StorageError> {
        const OPERATION: &str = "list runs";
        let query = sqlx::query("SELECT run, seen_at FROM worker_runs WHERE group_name = $1 ORDER BY seen_at, run");
        let rows = self.system(OPERATION).await?.rows(OPERATION, query.bind(group)).await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of(row, OPERATION);
                Ok((columns.take()?, columns.instant()?))
            })
            .collect()
    }

    async fn ended(&self, group: &str, runs: &[Uuid]) -> Result<(), StorageError> {
        const OPERATION: &str = "end runs";
        let query = sqlx::query("DELETE FROM worker_runs WHERE group_name = $1 AND run = ANY($2)");
        self.system(OPERATION).await?.execute(OPERATION, query.bind(group).bind(runs.to_vec())).await.map(drop)
    }
}
