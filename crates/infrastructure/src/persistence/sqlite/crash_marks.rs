use activelog_application::ports::{CrashMarks, StorageError, StorageErrorKind};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Row;
use uuid::Uuid;

use super::{SqliteDatabase, rows, statement::Statement};

#[async_trait]
impl CrashMarks for SqliteDatabase {
    async fn left(&self, handler: &str, event_id: Uuid) -> Result<u32, StorageError> {
        let select =
            Statement::new("read crash marks", "SELECT marks FROM crash_marks WHERE handler = ? AND event_id = ?");
        let marks = self.fetch_optional(select.bind(handler).bind(event_id), |row| row.try_get("marks")).await?;
        Ok(marks.unwrap_or(0))
    }

    async fn mark(&self, handler: &str, event_id: Uuid) -> Result<(), StorageError> {
        let mark = Statement::new(
            "make crash mark",
            "INSERT INTO crash_marks (handler, event_id, marks, marked_at) VALUES (?, ?, 1, ?) \
             ON CONFLICT DO UPDATE SET marks = marks + 1, marked_at = excluded.marked_at",
        );
        self.change(mark.bind(handler).bind(event_id).bind_time(self.inner.clock.now())).await
    }

    async fn erase(&self, handler: &str, event_id: Uuid) -> Result<(), StorageError> {
        let erase = Statement::new("erase crash marks", "DELETE FROM crash_marks WHERE handler = ? AND event_id = ?");
        self.change(erase.bind(handler).bind(event_id)).await
    }

    async fn running(&self, group: &str, run: Uuid) -> Result<(), StorageError> {
        let note = Statement::new(
            "note run",
            "INSERT INTO worker_runs (group_name, run, seen_at) VALUES (?, ?, ?) \
             ON CONFLICT DO UPDATE SET seen_at = excluded.seen_at",
        );
        self.change(note.bind(group).bind(run).bind_time(self.inner.clock.now())).await
    }

    async fn runs(&self, group: &str) -> Result<Vec<(Uuid, Timestamp)>, StorageError> {
        let select = Statement::new(
            "list runs",
            "SELECT run, seen_at FROM worker_runs WHERE group_name = ? ORDER BY seen_at, run",
        );
        self.fetch(select.bind(group), |row| Ok((row.try_get("run")?, rows::time(row, "seen_at")?))).await
    }

    async fn ended(&self, group: &str, runs: &[Uuid]) -> Result<(), StorageError> {
        const OPERATION: &str = "end runs";
        let runs: Vec<String> = runs.iter().map(|run| run.simple().to_string()).collect();
        let runs = serde_json::to_string(&runs)
            .map_err(|error| StorageError::new(StorageErrorKind::Other, OPERATION, error))?;
        let delete = Statement::new(
            OPERATION,
            "DELETE FROM worker_runs WHERE group_name = ? AND run IN (SELECT unhex(r.value) FROM json_each(?) r)",
        );
        self.change(delete.bind(group).bind(runs)).await
    }
}

impl SqliteDatabase {
    /// A transaction of one statement.
    async fn change(&self, statement: Statement) -> Result<(), StorageError> {
        let mut unit = self.inner.writer.begin_now().await?;
        unit.execute(statement).await?;
        unit.finish().await
    }
}
