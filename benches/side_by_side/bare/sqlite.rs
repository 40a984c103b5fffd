use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::creation::Creation;

/// A plain pool with the same durability.
pub(super) async fn pool(url: &str, connections: u32) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::from_str(url)?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(30))
        .disable_statement_logging();
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(connections)
        .test_before_acquire(false)
        .connect_with(options)
        .await
}

/// One creation, one commit.
pub(super) async fn create(pool: &SqlitePool, creation: &Creation) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    insert_activity(&mut transaction, creation).await?;
    insert_notification(&mut transaction, creation).await?;
    add_to_totals(&mut transaction, creation).await?;
    append_to_outbox(&mut transaction, creation).await?;
    transaction.commit().await
}

async fn insert_activity(connection: &mut SqliteConnection, creation: &Creation) -> Result<(), sqlx::Error> {
    let (new, now) = (&creation.new, creation.now.as_microsecond());
    sqlx::query(
        "INSERT INTO activities (id, user_id, activity_type, title, description, duration_minutes, distance_metres, \
         calories_burned, notes, tags, activity_date, version, created_at, updated_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(creation.activity)
    .bind(new.user_id)
    .bind(new.activity_type.as_str())
    .bind(new.title.as_str())
    .bind(new.description.as_deref())
    .bind(new.duration_minutes)
    .bind(creation.metres)
    .bind(new.calories_burned)
    .bind(new.notes.as_deref())
    .bind(serde_json::Value::from(new.tags.as_slice()).to_string())
    .bind(new.activity_date.as_microsecond())
    .bind(1_i64)
    .bind(now)
    .bind(now)
    .execute(connection)
    .await
    .map(drop)
}

async fn insert_notification(connection: &mut SqliteConnection, creation: &Creation) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO notifications (id, user_id, kind, message, created_at, read_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(creation.notification)
        .bind(creation.new.user_id)
        .bind("activity.created")
        .bind(creation.message.as_str())
        .bind(creation.now.as_microsecond())
        .bind(None::<i64>)
        .execute(connection)
        .await
        .map(drop)
}

async fn add_to_totals(connection: &mut SqliteConnection, creation: &Creation) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO users (id, activities, duration_minutes, distance_metres, calories_burned, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (id) DO UPDATE SET \
         activities = activities + excluded.activities, \
         duration_minutes = duration_minutes + excluded.duration_minutes, \
         distance_metres = distance_metres + excluded.distance_metres, \
         calories_burned = calories_burned + excluded.calories_burned, updated_at = excluded.updated_at \
         RETURNING activities, duration_minutes, distance_metres, calories_burned",
    )
    .bind(creation.new.user_id)
    .bind(1_i64)
    .bind(i64::from(creation.new.duration_minutes))
    .bind(i64::from(creation.metres.unwrap_or(0)))
    .bind(i64::from(creation.new.calories_burned.unwrap_or(0)))
    .bind(creation.now.as_microsecond())
    .fetch_one(connection)
    .await
    .map(drop)
}

async fn append_to_outbox(connection: &mut SqliteConnection, creation: &Creation) -> Result<(), sqlx::Error> {
    let now = creation.now.as_microsecond();
    sqlx::query(
        "INSERT INTO outbox (partition, recorded_at, event_id, name, version, source, subject, sequence, partition_key, \
         time, content_type, correlation_id, causation_id, traceparent, tracestate, data) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(creation.partition)
    .bind(now)
    .bind(creation.event)
    .bind("activity.created")
    .bind(2_i64)
    .bind("/activelog")
    .bind(creation.subject.as_str())
    .bind(1_i64)
    .bind(creation.subject.as_str())
    .bind(now)
    .bind("application/json")
    .bind(creation.correlation)
    .bind(None::<uuid::Uuid>)
    .bind(None::<&str>)
    .bind(None::<&str>)
    .bind(creation.data.as_slice())
    .execute(connection)
    .await
    .map(drop)
}
