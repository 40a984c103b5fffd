//! Every broker adapter, on every storage, against the same suite.
//!
//! `cargo test --test conformance` runs all; a filter such as `memory::` or `nack` chooses. Adding an adapter or a storage:
//! one function in `conformance/fixtures.rs` and one line in [`ADAPTERS`].

#[path = "conformance/fixtures.rs"]
mod fixtures;
#[cfg(any(feature = "postgres", feature = "redis", feature = "nats", feature = "rabbitmq", feature = "kafka"))]
mod support;

use std::{process::ExitCode, sync::Arc};

use activelog_application::testing::broker::{BrokerFixture, Case, cases};
use futures::future::BoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};

/// Starts a fixture in a namespace of its own; `None` where its server is missing, which has been said.
type Start = fn() -> BoxFuture<'static, Option<Arc<dyn BrokerFixture>>>;

/// The adapters, by the name their tests begin with.
const ADAPTERS: &[(&str, Start)] = &[
    ("memory", || Box::pin(fixtures::memory())),
    ("database_on_memory", || Box::pin(fixtures::database_on_memory())),
    #[cfg(feature = "sqlite")]
    ("database_on_sqlite", || Box::pin(fixtures::database_on_sqlite())),
    #[cfg(feature = "postgres")]
    ("database_on_postgres", || Box::pin(fixtures::database_on_postgres())),
    #[cfg(feature = "redis")]
    ("redis", || Box::pin(fixtures::by_url(support::Kind::Redis))),
    #[cfg(feature = "nats")]
    ("nats", || Box::pin(fixtures::by_url(support::Kind::Nats))),
    #[cfg(feature = "rabbitmq")]
    ("rabbitmq", || Box::pin(fixtures::by_url(support::Kind::RabbitMq))),
    #[cfg(feature = "kafka")]
    ("kafka", || Box::pin(fixtures::by_url(support::Kind::Kafka))),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Cases mostly wait, so more run at once than there are processors.
    arguments.test_threads = arguments.test_threads.or(Some(8));
    let mut trials = Vec::new();
    for (adapter, start) in ADAPTERS {
        let left_out = is_left_out(adapter);
        for case in cases() {
            let name = format!("{adapter}::{}", case.name);
            let trial = Trial::test(name, move || run(case, *start).map_err(Failed::from));
            trials.push(trial.with_ignored_flag(left_out));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Whether its server is missing, which has been said: its cases then show as ignored. Where servers are required they run, and fail.
fn is_left_out(name: &str) -> bool {
    #[cfg(feature = "postgres")]
    if name.ends_with("postgres") && !support::require_servers() {
        return support::postgres().is_none();
    }
    #[cfg(any(feature = "redis", feature = "nats", feature = "rabbitmq", feature = "kafka"))]
    if let Some(kind) = support::Kind::ALL.into_iter().find(|kind| kind.name() == name) {
        return !support::require_servers() && support::broker(kind).is_none();
    }
    // Without the features there is nothing that needs a server.
    let _ = name;
    false
}

fn run(case: Case, start: Start) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(async {
        let Some(fixture) = start().await else { return Ok(()) };
        let broker = fixture.broker().await;
        if !(case.applies)(&broker.capabilities) {
            return Ok(());
        }
        case.check(fixture).await
    })
}
