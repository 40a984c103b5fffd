use std::time::{Duration, Instant};

use activelog_application::ports::OutboxStore;
use activelog_domain::{event::EventEnvelope, notification::Notification, statistics::Figures, user::UserId};
use activelog_infrastructure::persistence::postgres::PgDatabase;

use crate::fixture::{activity, begin, created, database, event, id, record, relay_leases};

/// `cargo test --test postgres measure -- --ignored --nocapture`: how many of the statements of POST /activities a second, from
/// 64 tasks over 16 connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_creates() {
    const EACH: usize = 40;
    let Some((database, url)) = database().await else { return };
    // In turns, since a machine's speed is not constant; the first turn warms up.
    let (mut ours, mut bare) = (Duration::ZERO, Duration::ZERO);
    for turn in 0..4 {
        let (a, b) = (our_creates(&database, EACH).await, bare_creates(&url, EACH).await);
        if turn > 0 {
            (ours, bare) = (ours + a, bare + b);
        }
    }
    report("creates", 3 * 64 * EACH, ours);
    report("bare sqlx", 3 * 64 * EACH, bare);
    report_ratio(bare.as_secs_f64() / ours.as_secs_f64());
}

async fn our_creates(database: &PgDatabase, each: usize) -> Duration {
    let start = Instant::now();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move {
                let user = UserId(id());
                for _ in 0..each {
                    let activity = activity(user);
                    let mut unit = begin(&database).await;
                    unit.activities().insert(&activity).await.unwrap();
                    let note = Notification {
                        id: id(),
                        user_id: user,
                        kind: "activity.created".into(),
                        message: "Morning run recorded".into(),
                        created_at: activity.created_at,
                        read_at: None,
                    };
                    unit.notifications().insert(&note).await.unwrap();
                    unit.users().add_to_totals(user, Figures::of(&activity), activity.created_at).await.unwrap();
                    unit.outbox().append(&[created(&activity)]).await.unwrap();
                    unit.commit().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    start.elapsed()
}

/// The same statements on a plain pool of the same size.
async fn bare_creates(url: &str, each: usize) -> Duration {
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(16).connect(url).await.unwrap();
    let start = Instant::now();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let user = id();
                for _ in 0..each {
                    let mut transaction = pool.begin().await.unwrap();
                    bare_create(&mut transaction, user).await.unwrap();
                    transaction.commit().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    start.elapsed()
}

async fn bare_create(connection: &mut sqlx::PgConnection, user: uuid::Uuid) -> Result<(), sqlx::Error> {
    let activity = id();
    sqlx::query(
        "INSERT INTO activities (id, user_id, activity_type, title, duration_minutes, distance_metres, activity_date, \
         version, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, now(), 1, now(), now())",
    )
    .bind(activity)
    .bind(user)
    .bind("run")
    .bind("Morning run")
    .bind(42)
    .bind(8_400)
    .execute(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO notifications (id, user_id, kind, message, created_at) VALUES ($1, $2, $3, $4, now())")
        .bind(id())
        .bind(user)
        .bind("activity.created")
        .bind("Morning run recorded")
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO users AS u (id, activities, duration_minutes, distance_metres, created_at, updated_at) \
         VALUES ($1, 1, $2, $3, now(), now()) ON CONFLICT (id) DO UPDATE SET activities = u.activities + 1, \
         duration_minutes = u.duration_minutes + $2, distance_metres = u.distance_metres + $3, updated_at = now() \
         RETURNING activities",
    )
    .bind(user)
    .bind(42_i64)
    .bind(8_400_i64)
    .fetch_one(&mut *connection)
    .await?;
    let subject = format!("activity-{activity}");
    sqlx::query(
        "INSERT INTO outbox (partition, event_id, name, version, source, subject, sequence, partition_key, time, \
         content_type, correlation_id, data, recorded_at) \
         VALUES ($1, $2, 'activity.created', 1, '/activelog', $3, 1, $3, now(), 'application/json', $2, $4, now())",
    )
    .bind(3_i16)
    .bind(id())
    .bind(subject)
    .bind(vec![b'x'; 300])
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// How many events a second leave the outbox for the journal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_moves() {
    const EVENTS: usize = 40_000;
    let Some((database, _)) = database().await else { return };
    let events: Vec<EventEnvelope> = (0..EVENTS).map(|n| event(&n.to_string())).collect();
    record(&database, &events, 1_000).await;
    let leases = relay_leases(&database, "m", Duration::from_secs(60)).await;
    let start = Instant::now();
    for lease in &leases {
        while database.complete_oldest(std::slice::from_ref(lease), 500).await.unwrap() > 0 {}
    }
    report("moves", EVENTS, start.elapsed());
}

#[expect(clippy::print_stderr, reason = "a measurement is for reading")]
fn report(what: &str, count: usize, took: Duration) {
    let rate = u128::try_from(count).unwrap_or(0) * 1_000 / took.as_millis().max(1);
    eprintln!("{what}: {count} in {took:.1?}, {rate}/s");
}

#[expect(clippy::print_stderr, reason = "a measurement is for reading")]
fn report_ratio(ratio: f64) {
    eprintln!("ratio: {ratio:.2}");
}
