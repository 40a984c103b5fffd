//! The database goes away while the program runs, and comes back.

use reqwest::{Method, StatusCode, header::RETRY_AFTER};
use uuid::Uuid;

use crate::{
    client::{Client, activity, created},
    load::{Attempt, Attempts, Load},
    process::{PATIENCE, Setting},
    support::{self, PrivatePostgres, eventually},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_waits_for_its_database_and_goes_on() {
    // A server of its own: the others' is not to be stopped.
    let server = match PrivatePostgres::start() {
        Ok(server) => server,
        Err(missing) => return support::left_out(&missing),
    };
    server.create_database("outage");
    let setting = Setting::on(server.url("outage"));
    let seed = support::seed("serve_waits_for_its_database_and_goes_on");
    let program = setting.start("serve").await;
    let client = Client::new(program.base());
    assert_eq!(client.status("/health/ready").await, StatusCode::OK);
    let load = Load::start(program.base(), 8, &seed.to_string());
    load.reaches(50).await;

    tokio::task::block_in_place(|| if seed.is_multiple_of(2) { server.stop() } else { server.kill() });
    let refused = client.request(Method::POST, "/activities").header("idempotency-key", "while-away");
    let refused = refused.json(&activity(Uuid::from_u128(1), 1, 10)).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let retry_after = refused.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    assert!(retry_after.is_some_and(|value| value.parse::<u32>().is_ok_and(|seconds| seconds > 0)), "{retry_after:?}");
    assert_eq!(client.status("/health/ready").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.status("/health/live").await, StatusCode::OK);
    let attempts = load.finish().await;

    tokio::task::block_in_place(|| server.restart());
    eventually("it is ready again", PATIENCE, async || {
        (client.status("/health/ready").await == StatusCode::OK).then_some(())
    })
    .await;
    created(
        client.request(Method::POST, "/activities").json(&activity(Uuid::from_u128(1), 1, 10)).send().await.unwrap(),
    )
    .await;
    let away = Attempts::default();
    away.lock().insert("while-away".to_owned(), Attempt { activity: activity(Uuid::from_u128(1), 1, 10), told: None });
    let activities = attempts.resolve(&client).await + away.resolve(&client).await + 1;
    setting.store.settles_with(activities).await;
    program.stop().await;
}
