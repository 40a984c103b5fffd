use std::sync::Arc;

use activelog_application::activity::ports::Queries;
use activelog_domain::{
    activity::{Activity, Tags},
    user::UserId,
};
use activelog_infrastructure::{
    clock::SystemClock,
    persistence::{
        DatabaseError,
        postgres::{PgDatabase, PgOptions},
    },
};

use crate::{
    fixture::{activity, begin, bystander, connect, database, id},
    support,
};

#[tokio::test]
async fn an_empty_database_is_older_until_it_is_migrated() {
    let Some(url) = support::fresh_database() else { return };
    let database = connect(&url).await;
    let error = database.check_schema().await.expect_err("it is empty");
    assert!(matches!(error, DatabaseError::OlderSchema { found: 0, known: 1.. }), "{error}");
    assert!(error.to_string().contains("activelog migrate"), "{error}");
    database.migrate().await.unwrap();
    database.migrate().await.expect("again does no harm");
    database.check_schema().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_may_migrate_at_once() {
    let Some(url) = support::fresh_database() else { return };
    let mut processes = Vec::new();
    for _ in 0..6 {
        let database = connect(&url).await;
        processes.push(tokio::spawn(async move { database.migrate().await }));
    }
    for process in processes {
        process.await.unwrap().expect("one migrates, the others wait");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Some((database, url)) = database().await else { return };
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', true, '', 0)",
    )
    .execute(&mut bystander(&url).await)
    .await
    .unwrap();
    for refused in [database.migrate().await, database.check_schema().await] {
        let error = refused.expect_err("it is newer");
        assert!(matches!(error, DatabaseError::NewerSchema { found: 9999, .. }), "{error}");
        assert!(error.to_string().contains("upgrade the program"), "{error}");
    }
}

#[tokio::test]
async fn activities_from_before_there_were_tags_have_none() {
    let Some((database, url)) = database().await else { return };
    let stored = activity(UserId(id()));
    let mut unit = begin(&database).await;
    unit.activities().insert(&stored).await.unwrap();
    unit.commit().await.unwrap();
    // What an older release left behind: the activity without the column.
    let mut bystander = bystander(&url).await;
    for step in ["ALTER TABLE activities DROP COLUMN tags", "DELETE FROM _sqlx_migrations WHERE version = 3"] {
        sqlx::query(step).execute(&mut bystander).await.unwrap();
    }
    let upgraded = connect(&url).await;
    upgraded.migrate().await.unwrap();
    assert_eq!(upgraded.activity(stored.id).await.unwrap().as_ref(), Some(&stored));
    let tagged = Activity { version: 2, tags: Tags::new(&["race"]).unwrap(), ..stored };
    let mut unit = begin(&upgraded).await;
    assert!(unit.activities().update(&tagged).await.unwrap());
    unit.commit().await.unwrap();
    assert_eq!(upgraded.activity(tagged.id).await.unwrap(), Some(tagged));
}

#[tokio::test]
async fn what_cannot_be_opened_says_what_to_do_and_no_password() {
    let Some(server) = support::postgres() else { return };
    let missing = server.url("nowhere").replace("activelog@", "activelog:hush@");
    let nobody = missing.replace("activelog:", "stranger:");
    // A port nobody listens on: it was free a moment ago, and the kernel gives out others first.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = format!("postgres://activelog:hush@127.0.0.1:{port}/x");
    for (url, hint) in [(missing, "createdb nowhere"), (nobody, "check user"), (refused, "PostgreSQL runs there")] {
        let options = PgOptions::new(&url).unwrap();
        let error = PgDatabase::connect(options, Arc::new(SystemClock)).await.expect_err("it is not there").to_string();
        assert!(error.contains(hint) && error.contains("127.0.0.1:") && !error.contains("hush"), "{error}");
    }
}
