use std::time::Duration;

use activelog_application::{
    activity::ports::Queries,
    ports::{CommitError, Journal, StorageErrorKind},
};
use activelog_domain::user::UserId;

use crate::{
    fixture::{activity, begin, connect, id, try_begin},
    support::{PrivatePostgres, eventually, left_out},
};

/// The server is killed under open transactions and pooled connections: errors are `Unavailable`, what was committed is there, and
/// the pools heal by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pools_heal_after_the_server_was_killed() {
    let server = match PrivatePostgres::start() {
        Ok(server) => server,
        Err(missing) => return left_out(&missing),
    };
    let database = connect(&server.url("postgres")).await;
    database.migrate().await.unwrap();
    let kept = activity(UserId(id()));
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(begin(&database).await);
    }
    let mut unit = open.pop().unwrap();
    unit.activities().insert(&kept).await.unwrap();
    unit.commit().await.unwrap();
    let mut lost = open.pop().unwrap();
    lost.activities().insert(&activity(UserId(id()))).await.unwrap();
    let mut broken = open.pop().unwrap();
    drop(open);
    database.ping().await.unwrap();

    server.kill();
    let error = broken.activities().find_for_update(kept.id).await.expect_err("the server is gone");
    assert_eq!(error.kind, StorageErrorKind::Unavailable, "{error}");
    drop(broken);
    assert!(matches!(lost.commit().await, Err(CommitError::Unknown(_))), "the answer to COMMIT was lost");
    assert_eq!(try_begin(&database).await.err().expect("the server is gone").kind, StorageErrorKind::Unavailable);
    assert_eq!(database.ping().await.expect_err("the server is gone").kind, StorageErrorKind::Unavailable);

    server.restart();
    let found =
        eventually("reads work again", Duration::from_secs(10), || async { database.activity(kept.id).await.ok() })
            .await;
    assert_eq!(found, Some(kept));
    eventually("the toolkit's pool works again", Duration::from_secs(10), || async { database.heads().await.ok() })
        .await;
    // All connections of the pool at once: none of the broken ones is handed out.
    let mut units = Vec::new();
    for _ in 0..16 {
        units.push(begin(&database).await);
    }
    for mut unit in units {
        unit.activities().insert(&activity(UserId(id()))).await.unwrap();
        unit.commit().await.unwrap();
    }
}

/// Restarted between two uses, while connections lay idle: the next transaction does not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_while_idle_goes_unnoticed_by_the_next_transaction() {
    let server = match PrivatePostgres::start() {
        Ok(server) => server,
        Err(missing) => return left_out(&missing),
    };
    let database = connect(&server.url("postgres")).await;
    database.migrate().await.unwrap();
    let mut units = Vec::new();
    for _ in 0..10 {
        units.push(begin(&database).await);
    }
    for unit in units {
        unit.rollback().await;
    }
    server.restart();
    let mut unit = begin(&database).await;
    unit.activities().insert(&activity(UserId(id()))).await.unwrap();
    unit.commit().await.unwrap();
}
