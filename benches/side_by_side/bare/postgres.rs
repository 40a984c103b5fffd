use std::str::FromStr;

use jiff_sqlx::ToSqlx;
use sqlx::{
    ConnectOptions, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::creation::Creation;

pub(super) async fn pool(url: &str, connections: u32) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.disable_statement_logging();
    PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(connections)
        .test_before_acquire(false)
        .connect_with(options)
        .await
}

/// One creation, one commit.
pub(super) async fn create(pool: &PgPool, creation: &Creation) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    insert_activity(&mut transaction, creation).await?;
    insert_notification(&mut transaction, creation).await?;
    add_to_totals(&mut transaction, creation).await?;
    append_to_outbox(&mut transaction, creation).await?;
    transaction.commit().await
}

async fn insert_activity(connection: &mut PgConnection, creation: &Creation) -> Result<(), sqlx::Error> {
    let (new, now) = (&creation.new, creation.now.to_sqlx());
    sqlx::query(
        "INSERT INTO activities (id, user_id, activity_type, title, description, duration_minutes, distance_metres, \
         calories_burned, notes, tags, activity_date, version, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
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
    .bind(new.tags.as_slice())
    .bind(new.activity_date.to_sqlx())
    .bind(1_i64)
    .bind(now)
    .bind(now)
    .execute(connection)
    .await
    .map(drop)
}

async fn insert_notification(connection: &mut PgConnection, creation: &Creation) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO notifications (id, user_id, kind, message, created_at, read_at) VALUES ($1, $2, $3, $4, $5, NULL)",
    )
    .bind(creation.notification)
    .bind(creation.new.user_id)
    .bind("activity.created")
    .bind(creation.message.as_str())
    .bind(creation.now.to_sqlx())
    .execute(connection)
    .await
    .map(drop)
}

async fn add_to_totals(connection: &mut PgConnection, creation: &Creation) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO users AS u (id, activities, duration_minutes, distance_metres, calories_burned, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $6) \
         ON CONFLICT (id) DO UPDATE SET activities = u.activities + EXCLUDED.activities, \
         duration_minutes = u.duration_minutes + EXCLUDED.duration_minutes, \
         distance_metres = u.distance_metres + EXCLUDED.distance_metres, \
         calories_burned = u.calories_burned + EXCLUDED.calories_burned, updated_at = EXCLUDED.updated_at \
         RETURNING activities, duration_minutes, distance_metres, calories_burned",
    )
    .bind(creation.new.user_id)
    .bind(1_i64)
    .bind(i64::from(creation.new.duration_minutes))
    .bind(i64::from(creation.metres.unwrap_or(0)))
    .bind(i64::from(creation.new.calories_burned.unwrap_or(0)))
    .bind(creation.now.to_sqlx())
    .fetch_one(connection)
    .await
    .map(drop)
}

async fn append_to_outbox(connection: &mut PgConnection, creation: &Creation) -> Result<(), sqlx::Error> {
    let now = creation.now.to_sqlx();
    sqlx::query(
        "INSERT INTO outbox (partition, event_id, name, version, source, subject, sequence, partition_key, time, \
         content_type, correlation_id, causation_id, traceparent, tracestate, data, recorded_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(creation.partition)
    .bind(creation.event)
    .bind("activity.created")
    .bind(2_i32)
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
    .bind(now)
    .execute(connection)
    .await
    .map(drop)
}
