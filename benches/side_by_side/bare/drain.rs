use std::time::Instant;

use sqlx::Row;

use super::server::Pool;

/// The most rows of one transaction: as many as the relay takes.
const BATCH: i64 = 500;

/// Empties the outbox and prints how many rows that were, and the seconds it took.
#[expect(clippy::print_stdout, reason = "the answer to the process that started this one")]
pub(super) async fn run(url: &str) -> anyhow::Result<()> {
    let pool = Pool::connect(url, 1).await?;
    let (start, mut rows) = (Instant::now(), 0);
    loop {
        match take(&pool).await? {
            0 => break,
            taken => rows += taken,
        }
    }
    println!("{rows} {}", start.elapsed().as_secs_f64());
    Ok(())
}

/// One transaction: reads rows with all their columns, and deletes them.
async fn take(pool: &Pool) -> Result<usize, sqlx::Error> {
    const SELECT: &str = "SELECT id, partition, event_id, name, version, source, subject, sequence, partition_key, time, \
         content_type, correlation_id, causation_id, traceparent, tracestate, data, recorded_at \
         FROM outbox ORDER BY id LIMIT $1";
    match pool {
        Pool::Sqlite(pool) => {
            let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
            let rows = sqlx::query(SELECT).bind(BATCH).fetch_all(&mut *transaction).await?;
            let ids: Vec<i64> = rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
            let list = serde_json::to_string(&ids).map_err(|error| sqlx::Error::Encode(error.into()))?;
            let delete = sqlx::query("DELETE FROM outbox WHERE id IN (SELECT value FROM json_each($1))");
            delete.bind(list).execute(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(ids.len())
        }
        Pool::Postgres(pool) => {
            let mut transaction = pool.begin().await?;
            let rows = sqlx::query(SELECT).bind(BATCH).fetch_all(&mut *transaction).await?;
            let ids: Vec<i64> = rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
            let delete = sqlx::query("DELETE FROM outbox WHERE id = ANY($1)");
            delete.bind(&ids).execute(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(ids.len())
        }
    }
}
