use std::collections::HashSet;

use activelog_application::ports::{
    GroupPositions, JOURNAL_PAGE_MAX, Journal, JournalCursor, JournalEntry, Lease, PARTITIONS, Partition, StorageError,
    StorageErrorKind, partition_of,
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::{
    SqliteDatabase,
    outbox::{ROWS, bind_envelope, envelope_columns, fenced},
    rows,
    statement::Statement,
};

/// The cursor that rows of (partition, position) say.
fn cursor(positions: Vec<(Partition, u64)>) -> JournalCursor {
    let mut cursor = JournalCursor::default();
    for (partition, position) in positions {
        if let Some(slot) = cursor.0.get_mut(usize::from(partition.0)) {
            *slot = position;
        }
    }
    cursor
}

fn position(row: &SqliteRow) -> Result<(Partition, u64), sqlx::Error> {
    Ok((rows::partition(row)?, rows::unsigned(row, "position")?))
}

fn json(operation: &'static str, value: &impl serde::Serialize) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(|error| StorageError::new(StorageErrorKind::Other, operation, error))
}

#[async_trait]
impl Journal for SqliteDatabase {
    async fn read(&self, partition: Partition, position: u64, limit: u32) -> Result<Vec<JournalEntry>, StorageError> {
        let select = Statement::new(
            "read journal",
            concat!(
                "SELECT partition, position, published_at, ",
                envelope_columns!(),
                " FROM journal WHERE partition = ? AND position > ? ORDER BY position LIMIT ?"
            ),
        );
        let select = select.bind(partition.0).bind_unsigned(position).bind(limit.min(JOURNAL_PAGE_MAX));
        self.fetch(select, rows::journal_entry).await
    }

    async fn read_all(&self, cursor: &JournalCursor, limit: u32) -> Result<Vec<JournalEntry>, StorageError> {
        let operation = "read journal";
        // The next entries of every partition are merged by their keys; only the winners are read in full.
        let mut sql = String::from("WITH next (entry, published_at, partition, position) AS (");
        for partition in 0..PARTITIONS {
            let union = if partition == 0 { "" } else { " UNION ALL " };
            let value = usize::from(partition) + 2;
            sql.push_str(&format!(
                "{union}SELECT * FROM (SELECT rowid, published_at, partition, position FROM journal \
                 WHERE partition = {partition} AND position > ${value} ORDER BY position LIMIT $1)"
            ));
        }
        sql.push_str(concat!(
            "), page (entry) AS (SELECT entry FROM next ORDER BY published_at, partition, position LIMIT $1) \
             SELECT partition, position, published_at, ",
            envelope_columns!(),
            " FROM page JOIN journal ON journal.rowid = page.entry ORDER BY published_at, partition, position"
        ));
        let select = Statement::composed(operation, sql).bind(limit.min(JOURNAL_PAGE_MAX));
        let select = cursor.0.iter().fold(select, |select, position| select.bind_unsigned(*position));
        self.fetch(select, rows::journal_entry).await
    }

    async fn heads(&self) -> Result<JournalCursor, StorageError> {
        let select = Statement::new("read journal heads", "SELECT partition, position FROM journal_heads");
        self.fetch(select, position).await.map(cursor)
    }

    async fn append(&self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        if events.is_empty() {
            return Ok(());
        }
        let now = self.inner.clock.now();
        let mut seen = HashSet::with_capacity(events.len());
        let fresh: Vec<&EventEnvelope> = events.iter().filter(|event| seen.insert(event.id)).collect();
        let mut unit = self.inner.writer.begin_now().await?;
        for events in fresh.chunks(ROWS) {
            let insert = Statement::rows(
                "append to journal",
                concat!("WITH incoming (n, partition, published_at, ", envelope_columns!(), ") AS (VALUES"),
                "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                events.len(),
                concat!(
                    ") INSERT INTO journal (partition, position, published_at, ",
                    envelope_columns!(),
                    ") SELECT i.partition, \
                       coalesce((SELECT h.position FROM journal_heads h WHERE h.partition = i.partition), 0) \
                           + row_number() OVER (PARTITION BY i.partition ORDER BY i.n), \
                       max(i.published_at, coalesce((SELECT j.published_at FROM journal j \
                           WHERE j.partition = i.partition ORDER BY j.position DESC LIMIT 1), i.published_at)), ",
                    envelope_columns!(),
                    " FROM incoming i WHERE NOT EXISTS (SELECT 1 FROM journal j WHERE j.event_id = i.event_id) \
                     ORDER BY i.n"
                ),
            );
            let insert = (0_i64..).zip(events).fold(insert, |insert, (n, event)| {
                let partition = partition_of(&event.partition_key).0;
                bind_envelope(insert.bind(n).bind(partition).bind_time(now), event)
            });
            unit.execute(insert).await?;
            let partitions: HashSet<u16> = events.iter().map(|event| partition_of(&event.partition_key).0).collect();
            let heads = Statement::new(
                "move journal heads",
                "INSERT INTO journal_heads (partition, position) \
                 SELECT p.value, (SELECT max(position) FROM journal WHERE partition = p.value) \
                 FROM json_each(?) p WHERE EXISTS (SELECT 1 FROM journal WHERE partition = p.value) \
                 ON CONFLICT DO UPDATE SET position = max(position, excluded.position)",
            );
            unit.execute(heads.bind(json("move journal heads", &partitions)?)).await?;
        }
        unit.touch_journal();
        unit.finish().await
    }
}

/// Where a group stands.
fn select_positions(group: &str) -> Statement {
    Statement::new("read group positions", "SELECT partition, position FROM group_positions WHERE group_name = ?")
        .bind(group)
}

#[async_trait]
impl GroupPositions for SqliteDatabase {
    async fn join(&self, group: &str, start: &JournalCursor) -> Result<JournalCursor, StorageError> {
        let mut unit = self.inner.writer.begin_now().await?;
        let insert = Statement::new(
            "join group",
            "INSERT INTO group_positions (group_name, partition, position) \
             SELECT ?, s.key, s.value FROM json_each(?) s WHERE true ON CONFLICT DO NOTHING",
        )
        .bind(group)
        .bind(json("join group", &start.0)?);
        unit.execute(insert).await?;
        let positions = unit.fetch_all(select_positions(group), position).await?;
        unit.finish().await?;
        Ok(cursor(positions))
    }

    async fn positions(&self, group: &str) -> Result<JournalCursor, StorageError> {
        self.fetch(select_positions(group), position).await.map(cursor)
    }

    async fn advance(&self, group: &str, to: &[(Lease, u64)]) -> Result<(), StorageError> {
        let operation = "advance group";
        if to.is_empty() {
            return Ok(());
        }
        let scope = format!("group:{group}");
        if to.iter().any(|(lease, _)| lease.scope != scope) {
            return Err(StorageError::new(StorageErrorKind::Other, operation, "a lease of another scope"));
        }
        let moves: Vec<(u16, i64, u64)> =
            to.iter().map(|(lease, position)| (lease.partition.0, lease.epoch, *position)).collect();
        // All or nothing in one statement: it changes nothing unless every lease is still held.
        let upsert = Statement::new(
            operation,
            "INSERT INTO group_positions (group_name, partition, position) \
             SELECT $1, m.value ->> 0, m.value ->> 2 FROM json_each($3) m \
             WHERE NOT EXISTS (SELECT 1 FROM json_each($3) w WHERE NOT EXISTS ( \
                 SELECT 1 FROM leases l WHERE l.scope = $2 AND l.partition = w.value ->> 0 \
                 AND l.epoch = w.value ->> 1 AND l.owner IS NOT NULL)) \
             ON CONFLICT DO UPDATE SET position = max(position, excluded.position)",
        )
        .bind(group)
        .bind(scope)
        .bind(json(operation, &moves)?);
        let mut unit = self.inner.writer.begin_now().await?;
        if unit.execute(upsert).await? == 0 {
            return Err(fenced(operation));
        }
        unit.finish().await
    }

    async fn is_known(&self, group: &str) -> Result<bool, StorageError> {
        let select = Statement::new(
            "look for a group",
            "SELECT count(*) AS positions FROM group_positions WHERE group_name = ?",
        );
        let found = self.fetch(select.bind(group), |row| rows::unsigned(row, "positions")).await?;
        Ok(found.iter().any(|positions| *positions > 0))
    }

    async fn remove(&self, group: &str) -> Result<bool, StorageError> {
        const OPERATION: &str = "remove group";
        let (scope, now) = (format!("group:{group}"), self.inner.clock.now());
        let mut unit = self.inner.writer.begin_now().await?;
        let living = Statement::new(
            OPERATION,
            "SELECT count(*) AS members FROM lease_members WHERE scope = ? AND expires_at > ?",
        );
        let living = unit.fetch_all(living.bind(scope.as_str()).bind_time(now), |row| rows::unsigned(row, "members"));
        if living.await?.iter().any(|members| *members > 0) {
            return Ok(false);
        }
        let delete = Statement::new(
            OPERATION,
            "DELETE FROM group_positions WHERE group_name = $1; DELETE FROM lease_members WHERE scope = $2; \
             DELETE FROM leases WHERE scope = $2",
        );
        unit.execute(delete.bind(group).bind(scope)).await?;
        unit.finish().await?;
        Ok(true)
    }
}
