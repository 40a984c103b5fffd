//! Killed with SIGKILL at any moment: nothing that was acknowledged is lost, nothing takes effect twice.

use crate::{
    client::Client,
    load::{Attempts, Load},
    process::{Program, Setting},
    support::{self, PrivateBroker},
};

/// Kills `serve` under load several times, and looks at what is there in the end.
async fn serve_is_killed(setting: &Setting, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rounds: Vec<Attempts> = Vec::new();
    for round in 0..3 {
        let program = setting.start("serve").await;
        let load = Load::start(program.base(), 12, &format!("{seed}-{round}"));
        load.reaches(random.usize(20..200)).await;
        program.kill().await;
        rounds.push(load.finish().await);
        setting.store.whole_chains().await;
    }
    let program = setting.start("serve").await;
    resolve_and_settle(setting, &program, &rounds).await;
    program.stop().await;
}

async fn resolve_and_settle(setting: &Setting, api: &Program, rounds: &[Attempts]) {
    let client = Client::new(api.base());
    let mut activities = 0;
    for attempts in rounds {
        activities += attempts.resolve(&client).await;
    }
    setting.store.settles_with(activities).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_on_sqlite_loses_nothing() {
    serve_is_killed(&Setting::sqlite(), support::seed("serve_on_sqlite_loses_nothing")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_on_postgres_loses_nothing() {
    let Some(setting) = Setting::postgres() else { return };
    serve_is_killed(&setting, support::seed("serve_on_postgres_loses_nothing")).await;
}

/// A relay and a worker die under load, and so does a broker that is a server of its own; those that are left, and those that are started, take over.
async fn relays_and_workers_are_replaced(setting: &Setting, broker: Option<&PrivateBroker>, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let api = setting.start("api").await;
    let mut relays = vec![setting.start_with("relay", &[]).await];
    let mut workers = vec![setting.start_with("worker", &[]).await, setting.start_with("worker", &[]).await];
    let load = Load::start(api.base(), 8, &seed.to_string());
    let mut enough = 0;
    for _ in 0..2 {
        for (role, processes) in [("relay", &mut relays), ("worker", &mut workers)] {
            enough += random.usize(20..120);
            load.reaches(enough).await;
            let unlucky = random.usize(..processes.len());
            processes.remove(unlucky).kill().await;
            processes.push(setting.start_with(role, &[]).await);
        }
        if let Some(broker) = broker {
            broker.restart();
        }
    }
    let attempts = load.finish().await;
    resolve_and_settle(setting, &api, &[attempts]).await;
    for program in relays.into_iter().chain(workers).chain([api]) {
        program.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_and_workers_are_replaced_on_the_journal() {
    let Some(setting) = Setting::postgres() else { return };
    let seed = support::seed("relays_and_workers_are_replaced_on_the_journal");
    relays_and_workers_are_replaced(&setting, None, seed).await;
}

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_workers_and_redis_are_replaced() {
    beside(support::Kind::Redis, support::seed("relays_workers_and_redis_are_replaced")).await;
}

#[cfg(feature = "nats")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_workers_and_nats_are_replaced() {
    beside(support::Kind::Nats, support::seed("relays_workers_and_nats_are_replaced")).await;
}

#[cfg(any(feature = "redis", feature = "nats"))]
async fn beside(kind: support::Kind, seed: u64) {
    let Some(setting) = Setting::postgres() else { return };
    let Some(broker) = PrivateBroker::start(kind) else { return support::broker_left_out(kind) };
    let setting = setting.with_broker(broker.url("activelog"));
    relays_and_workers_are_replaced(&setting, Some(&broker), seed).await;
}
