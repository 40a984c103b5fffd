use activelog_application::ports::{DeadLetter, DeadLetterFilter, DeadLetters, Listed, StorageError};
use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    SqliteDatabase,
    failure_rows::{dead_letter, dead_letter_columns},
    outbox::envelope_columns,
    rows,
    statement::{Statement, Value},
    write_unit::WriteUnit,
};
use crate::persistence::failures::{listed, page_size, reason_name, state_name};

/// Parks dead letter `$1` in its old place at `$2`, and has its lane due, and no longer wait for it.
const PARK_AGAIN: &str = concat!(
    "INSERT INTO parked_lanes (handler, partition_key, due_at) SELECT handler, partition_key, $2 FROM dead_letters WHERE id = $1 \
     ON CONFLICT DO UPDATE SET due_at = min(due_at, excluded.due_at), \
     holders = holders - (SELECT d.holds FROM dead_letters d WHERE d.id = $1); \
     INSERT INTO parked (place, handler, group_name, parked_at, ",
    envelope_columns!(),
    ") SELECT place, handler, group_name, $2, ",
    envelope_columns!(),
    " FROM dead_letters WHERE id = $1; \
     UPDATE dead_letters SET holds = 0 WHERE id = $1"
);

/// Has the lane of dead letter `$1` no longer wait for it, and removes it unless it holds events, waits for others, or is being emptied.
const FREE: &str = "UPDATE parked_lanes SET holders = holders - 1 \
     WHERE (handler, partition_key) IN (SELECT handler, partition_key FROM dead_letters WHERE id = $1 AND holds = 1); \
     DELETE FROM parked_lanes \
     WHERE (handler, partition_key) IN (SELECT handler, partition_key FROM dead_letters WHERE id = $1 AND holds = 1) \
     AND holders = 0 AND claimed_until IS NULL AND NOT EXISTS (SELECT 1 FROM parked p \
     WHERE p.handler = parked_lanes.handler AND p.partition_key = parked_lanes.partition_key); \
     UPDATE dead_letters SET holds = 0 WHERE id = $1";

#[async_trait]
impl DeadLetters for SqliteDatabase {
    async fn list(
        &self,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Listed<DeadLetter>, StorageError> {
        let sql = format!("SELECT {} FROM (SELECT id", dead_letter_columns!());
        let tail = " ORDER BY id DESC LIMIT ?) JOIN dead_letters USING (id) ORDER BY id DESC";
        let below = before.map(|before| (" AND id < ?", before));
        let list = filtered("list dead letters", sql, filter, below, tail).bind(page_size(limit) + 1);
        Ok(listed(self.fetch(list, dead_letter).await?, limit, |letter: &DeadLetter| letter.id))
    }

    async fn oldest(
        &self,
        filter: &DeadLetterFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StorageError> {
        let sql = format!("SELECT {} FROM (SELECT id", dead_letter_columns!());
        let tail = " ORDER BY id LIMIT ?) JOIN dead_letters USING (id) ORDER BY id";
        let above = after.map(|after| (" AND id > ?", after));
        let oldest = filtered("read oldest dead letters", sql, filter, above, tail).bind(page_size(limit));
        self.fetch(oldest, dead_letter).await
    }

    async fn find(&self, id: i64) -> Result<Option<DeadLetter>, StorageError> {
        let select = Statement::new(
            "find dead letter",
            concat!("SELECT ", dead_letter_columns!(), " FROM dead_letters WHERE id = ?"),
        );
        self.fetch_optional(select.bind(id), dead_letter).await
    }

    async fn count(&self, filter: &DeadLetterFilter) -> Result<u64, StorageError> {
        let sql = "SELECT count(*) AS letters FROM (SELECT 1".to_owned();
        let count = filtered("count dead letters", sql, filter, None, " LIMIT 1000000)");
        Ok(self.fetch_optional(count, |row| rows::unsigned(row, "letters")).await?.unwrap_or_default())
    }

    async fn replay(&self, id: i64) -> Result<bool, StorageError> {
        self.settle("replay dead letter", id, "replaying", PARK_AGAIN).await
    }

    async fn discard(&self, id: i64) -> Result<bool, StorageError> {
        self.settle("discard dead letter", id, "discarded", FREE).await
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        let delete = Statement::new(
            "prune dead letters",
            "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters \
             WHERE state IN ('replayed', 'discarded') AND changed_at < ? ORDER BY changed_at LIMIT ?)",
        );
        let mut unit = self.inner.writer.begin_now().await?;
        let pruned = unit.execute(delete.bind_time(before).bind(limit)).await?;
        unit.finish().await.map(|()| pruned)
    }
}

impl SqliteDatabase {
    /// Changes the state of a dead letter if it is dead, and then does what follows from it: `consequence`, of `$1` the id and `$2` now.
    async fn settle(
        &self,
        operation: &'static str,
        id: i64,
        state: &'static str,
        consequence: &'static str,
    ) -> Result<bool, StorageError> {
        let now = self.inner.clock.now();
        let mut unit: WriteUnit = self.inner.writer.begin_now().await?;
        let settle = Statement::new(
            operation,
            "UPDATE dead_letters SET state = ?, changed_at = ? WHERE id = ? AND state = 'dead'",
        );
        if unit.execute(settle.bind(state).bind_time(now).bind(id)).await? == 0 {
            return Ok(false);
        }
        unit.execute(Statement::new(operation, consequence).bind(id).bind_time(now)).await?;
        unit.finish().await.map(|()| true)
    }
}

/// `head`, the dead letters that are meant, of them those whose id is in `range`, and `tail`. Only the conditions that are asked for, and all that they ask is in one index, so that
/// letters are read in full only when they are meant.
fn filtered(
    operation: &'static str,
    head: String,
    filter: &DeadLetterFilter,
    range: Option<(&'static str, i64)>,
    tail: &'static str,
) -> Statement {
    let index = if filter.subject.is_some() { "dead_letters_by_subject" } else { "dead_letters_by_id" };
    let mut sql = format!("{head} FROM dead_letters INDEXED BY {index} WHERE true");
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    let time = |at: Option<Timestamp>| at.map(|at| Value::from(at.as_microsecond()));
    let conditions = [
        (" AND subject = ?", text(&filter.subject)),
        (range.map_or("", |(condition, _)| condition), range.map(|(_, id)| Value::from(id))),
        (" AND handler = ?", text(&filter.handler)),
        (" AND name = ?", text(&filter.event)),
        (" AND reason = ?", filter.reason.map(reason_name).map(Value::from)),
        (" AND state = ?", filter.state.map(state_name).map(Value::from)),
        (" AND died_at >= ?", time(filter.from)),
        (" AND died_at < ?", time(filter.to)),
    ];
    let mut values = Vec::new();
    for (condition, value) in conditions {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(value);
        }
    }
    sql.push_str(tail);
    values.into_iter().fold(Statement::composed(operation, sql), Statement::bind)
}
