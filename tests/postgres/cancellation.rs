use std::time::Duration;

use sqlx::Row;

use crate::{
    fixture::{activity, begin, bystander, database, id, try_begin},
    support::eventually,
};
use activelog_domain::{statistics::Figures, user::UserId};

/// Begins and statements that are abandoned at any moment leave neither a poisoned connection nor an open transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_cancellations_leaves_clean_connections() {
    let Some((database, url)) = database().await else { return };
    let random = fastrand_sequence();
    for round in 0..200_u64 {
        let database = database.clone();
        let task = tokio::spawn(async move {
            let mut unit = try_begin(&database).await?;
            let user = UserId(id());
            unit.users().add_to_totals(user, Figures::of(&activity(user)), jiff::Timestamp::UNIX_EPOCH).await?;
            unit.activities().insert(&activity(user)).await?;
            unit.activities().insert(&activity(user)).await
        });
        tokio::time::sleep(Duration::from_micros(random(round) % 3_000)).await;
        task.abort();
    }
    // Every connection of the pool is used at once, and what it commits becomes visible.
    let user = UserId(id());
    let mut units = Vec::new();
    for _ in 0..16 {
        let database = database.clone();
        let mut unit =
            eventually("a free connection", Duration::from_secs(10), || async { try_begin(&database).await.ok() })
                .await;
        unit.activities().insert(&activity(user)).await.expect("the connection is clean");
        units.push(unit);
    }
    for unit in units {
        unit.commit().await.expect("the unit commits");
    }
    let mut bystander = bystander(&url).await;
    let seen: i64 = sqlx::query("SELECT count(*) FROM activities WHERE user_id = $1")
        .bind(user.0)
        .fetch_one(&mut bystander)
        .await
        .unwrap()
        .get(0);
    assert_eq!(seen, 16);
    let others: i64 = sqlx::query("SELECT count(*) FROM activities WHERE user_id <> $1")
        .bind(user.0)
        .fetch_one(&mut bystander)
        .await
        .unwrap()
        .get(0);
    assert_eq!(others, 0, "nothing that was abandoned is committed");
    nobody_is_idle_in_transaction(&mut bystander).await;
}

/// A unit dropped while the server works on its statement is rolled back, and its locks are free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_dropped_within_a_statement_frees_its_locks() {
    let Some((database, url)) = database().await else { return };
    let user = UserId(id());
    let held = activity(user);
    let mut unit = begin(&database).await;
    unit.activities().insert(&held).await.unwrap();
    unit.commit().await.unwrap();

    let mut holder = begin(&database).await;
    holder.activities().find_for_update(held.id).await.unwrap();
    let waiting = tokio::spawn({
        let (database, id) = (database.clone(), held.id);
        async move {
            let mut unit = begin(&database).await;
            unit.users().add_to_totals(user, Figures::default(), jiff::Timestamp::UNIX_EPOCH).await.unwrap();
            unit.activities().find_for_update(id).await
        }
    });
    let mut bystander = bystander(&url).await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut is_waiting = false;
    for _ in 0..500 {
        if sqlx::query(waits).fetch_one(&mut bystander).await.unwrap().get::<i64, _>(0) == 1 {
            is_waiting = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(is_waiting, "the statement never waited for the lock, so abandoning it would show nothing");
    waiting.abort();
    holder.rollback().await;
    // The user's row was locked by the abandoned unit.
    let mut unit = begin(&database).await;
    unit.users()
        .add_to_totals(user, Figures { activities: 1, ..Figures::default() }, jiff::Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    let totals = unit.users().totals(user).await.unwrap();
    assert_eq!(totals.activities, 1);
    unit.commit().await.unwrap();
    nobody_is_idle_in_transaction(&mut bystander).await;
}

async fn nobody_is_idle_in_transaction(bystander: &mut sqlx::PgConnection) {
    let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'";
    let mut left = -1;
    for _ in 0..500 {
        left = sqlx::query(idle).fetch_one(&mut *bystander).await.unwrap().get::<i64, _>(0);
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(left, 0, "backends are idle in transaction");
}

/// Numbers that look random and are the same in every run.
fn fastrand_sequence() -> impl Fn(u64) -> u64 {
    |round| (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33
}
