use std::time::{Duration, Instant};

use activelog_application::ports::OutboxStore;
use activelog_domain::{event::EventEnvelope, notification::Notification, statistics::Figures, user::UserId};

use crate::fixture::{activity, begin, created, database, event, id, record, relay_leases};

/// `cargo test --test postgres measure -- --ignored --nocapture`: how many of the statements of POST /activities a second, from
/// 64 tasks over 16 connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_creates() {
    const EACH: usize = 100;
    let Some((database, _)) = database().await else { return };
    let start = Instant::now();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move {
                let user = UserId(id());
                for _ in 0..EACH {
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
    report("creates", 64 * EACH, start.elapsed());
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
        while database.complete_oldest(lease, lease.partition, 500).await.unwrap() > 0 {}
    }
    report("moves", EVENTS, start.elapsed());
}

#[expect(clippy::print_stderr, reason = "a measurement is for reading")]
fn report(what: &str, count: usize, took: Duration) {
    let rate = u128::try_from(count).unwrap_or(0) * 1_000 / took.as_millis().max(1);
    eprintln!("{what}: {count} in {took:.1?}, {rate}/s");
}
