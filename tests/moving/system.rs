//! The how-to, step by step: `docs/moving-brokers.md`. Whoever changes one of them changes the other.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::{
    client::Client,
    editor::Editor,
    load::Load,
    process::{PATIENCE, Program, Setting},
    store::Store,
    support::{self, Kind, eventually},
};

/// Pairs of events of one activity that a handler has taken in another order than that of the activity's versions.
const OUT_OF_ORDER: &str = "SELECT count(*) FROM journal a JOIN journal b ON b.subject = a.subject AND b.sequence > a.sequence \
     JOIN inbox ia ON ia.event_id = a.event_id JOIN inbox ib ON ib.event_id = b.event_id AND ib.handler = ia.handler \
     WHERE ib.taken_at < ia.taken_at";

/// Events in the journal that came later than one of a higher version.
const JOURNAL_OUT_OF_ORDER: &str = "SELECT count(*) FROM journal a JOIN journal b ON b.subject = a.subject \
     AND b.sequence > a.sequence AND b.position < a.position";

/// A system on PostgreSQL whose roles run apart, and which is being moved.
struct System {
    setting: Setting,
    api: Program,
    relays: Vec<Program>,
    workers: Vec<Program>,
}

impl System {
    async fn start(from: &str) -> Option<Self> {
        let setting = Setting::postgres()?.with_broker(from.to_owned());
        let api = setting.start("api").await;
        // Before the relay: RabbitMQ keeps nothing for a group that is not there yet.
        let workers = vec![setting.start_with("worker", &[]).await, setting.start_with("worker", &[]).await];
        let relays = vec![setting.start_with("relay", &[]).await];
        Some(Self { setting, api, relays, workers })
    }

    async fn groups(&self, arguments: &[&str], url: &str) -> String {
        let output = self.setting.run(&[&["groups"], arguments, &["--broker-url", url]].concat()).await;
        let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "groups {arguments:?}: {told}{errors}");
        told.into_owned()
    }

    /// How many events the group of the workers is behind, when nothing reads as it.
    async fn lag(&self, url: &str) -> Option<u64> {
        let told: Value = serde_json::from_str(&self.groups(&["lag", "--output", "json"], url).await).expect("JSON");
        told["events"].as_u64()
    }

    async fn outbox(&self) -> i64 {
        self.setting.store.numbers("SELECT count(*) FROM outbox").await[0]
    }

    /// Steps 2 to 4: nothing goes to the old broker any more, and everything that is there is handled.
    async fn drain(&mut self, from: &str, killed: bool) {
        for relay in self.relays.drain(..) {
            if killed { relay.kill().await } else { relay.stop().await }
        }
        let before = self.outbox().await;
        loop {
            self.groups(&["lag", "--wait"], from).await;
            for worker in self.workers.drain(..) {
                worker.stop().await;
            }
            // With nobody who could hold any, the broker knows.
            if self.lag(from).await == Some(0) {
                break;
            }
            self.workers.push(self.setting.start_with("worker", &[]).await);
        }
        let waiting = async || (self.outbox().await > before).then_some(());
        eventually("what is accepted meanwhile waits in the outbox", PATIENCE, waiting).await;
    }

    /// Steps 6 and 7.
    async fn resume(&mut self, to: &str) {
        let flags = ["--broker-url", to];
        for _ in 0..2 {
            self.workers.push(self.setting.start_with("worker", &flags).await);
        }
        self.relays.push(self.setting.start_with("relay", &flags).await);
    }

    /// Step 8.
    async fn restart_api(&mut self, to: &str) {
        let flags = ["--listen", "127.0.0.1:0", "--broker-url", to];
        let new = self.setting.start_with("api", &flags).await;
        std::mem::replace(&mut self.api, new).stop().await;
        let health = Client::new(self.api.base()).request(Method::GET, "/health").send().await.expect("an answer");
        assert_eq!(health.status(), StatusCode::OK);
    }

    async fn stop(self) {
        for program in self.relays.into_iter().chain(self.workers).chain([self.api]) {
            program.stop().await;
        }
    }
}

/// Moves a system under load. `killed`: the relay is killed instead of stopped, and so is a worker on the new broker, at once.
async fn moved(from: &str, to: &str, killed: bool) {
    let Some(mut system) = System::start(from).await else { return };
    let load = Load::start(system.api.base(), 2, "moving");
    let editor = Editor::start(system.api.base());
    load.reaches(60).await;

    if to == "database:" {
        refused_unbegun(&system, to).await;
    } else {
        // Step 1: the new broker knows the group.
        system.groups(&["begin", "--from", "now"], to).await;
    }
    system.drain(from, killed).await;
    if to == "database:" {
        // Step 5: the journal holds what was handled.
        system.groups(&["begin", "--from", "now"], to).await;
    }
    let during = load.attempts.acknowledged();
    system.resume(to).await;
    if killed {
        let worker = system.workers.remove(0);
        worker.kill().await;
        system.workers.push(system.setting.start_with("worker", &["--broker-url", to]).await);
    }
    load.reaches(during + 60).await;

    let attempts = load.finish().await;
    assert!(editor.finish().await > 10, "the activity was changed all the time");
    system.restart_api(to).await;
    let activities = attempts.resolve(&Client::new(system.api.base())).await + 1;
    system.setting.store.settles_with(activities).await;
    assert_eq!(system.setting.store.numbers(OUT_OF_ORDER).await, [0], "handlers have taken events out of order");
    assert_eq!(system.setting.store.numbers(JOURNAL_OUT_OF_ORDER).await, [0], "the journal is out of order");
    assert!(matches!(system.setting.store, Store::Postgres(_)));
    // Step 9: the old broker forgets.
    system.groups(&["remove"], from).await;
    system.stop().await;
}

/// A worker that is moved to the journal too early says so instead of handling everything again.
async fn refused_unbegun(system: &System, to: &str) {
    let published = async || (system.setting.store.numbers("SELECT count(*) FROM journal").await[0] > 0).then_some(());
    eventually("something is published", PATIENCE, published).await;
    for role in ["worker", "relay"] {
        let refused = system.setting.run(&[role, "--broker-url", to]).await;
        let errors = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{errors}");
        assert!(errors.contains("is new to the journal") && errors.contains("groups begin"), "{errors}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_system_moves_from_rabbitmq_to_nats() {
    let Some(from) = support::fresh_namespace(Kind::RabbitMq) else { return };
    let Some(to) = support::fresh_namespace(Kind::Nats) else { return };
    moved(&from, &to, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_system_moves_from_kafka_to_the_database() {
    let Some(from) = support::fresh_namespace(Kind::Kafka) else { return };
    moved(&from, "database:", false).await;
}
