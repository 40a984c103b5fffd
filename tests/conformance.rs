//! Every broker adapter, on every storage, against the same suite.
//!
//! `cargo test --test conformance` runs all; a filter such as `memory::` or `nack` chooses. Adding an adapter or a storage:
//! one function in `conformance/fixtures.rs` and one line in [`ADAPTERS`].

#[path = "conformance/fixtures.rs"]
mod fixtures;
#[path = "conformance/guarantees.rs"]
mod guarantees;
mod support;

use std::{process::ExitCode, sync::Arc};

use activelog_application::{
    ports::BrokerCapabilities,
    testing::broker::{BrokerFixture, Case, cases},
};
use futures::future::BoxFuture;
use libtest_mimic::{Arguments, Trial};

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
    let (mut trials, mut declared) = (Vec::new(), Vec::new());
    for (adapter, start) in ADAPTERS {
        let offered = match is_wanted(&arguments, adapter) {
            true => capabilities(*start),
            false => Ok(None),
        };
        if let Ok(Some(offered)) = &offered {
            declared.push((*adapter, *offered));
        }
        trials.extend(cases().into_iter().map(|case| trial(adapter, case, *start, offered.clone())));
    }
    let page = Trial::test(guarantees::NAME, move || Ok(guarantees::check(&declared)?));
    trials.push(page);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Whether any of its cases is going to run: its server need not start otherwise.
fn is_wanted(arguments: &Arguments, adapter: &str) -> bool {
    let wanted = |name: &str| arguments.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
    !arguments.list
        && (wanted(guarantees::NAME) || cases().iter().any(|case| wanted(&format!("{adapter}::{}", case.name))))
}

/// A case on an adapter. One that the adapter says it cannot do is listed as not offered; one whose server is missing, which has been said, as ignored. Where servers are
/// required it fails.
fn trial(adapter: &str, case: Case, start: Start, offered: Result<Option<BrokerCapabilities>, String>) -> Trial {
    let name = format!("{adapter}::{}", case.name);
    match offered {
        Ok(Some(offered)) if !(case.applies)(&offered) => {
            Trial::test(name, || Ok(())).with_kind("not offered").with_ignored_flag(true)
        }
        Ok(Some(_)) => Trial::test(name, move || Ok(run(case, start)?)),
        Ok(None) => Trial::test(name, || Ok(())).with_ignored_flag(true),
        Err(why) => Trial::test(name, || Err(why.into())),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| error.to_string())
}

/// What an adapter says it can do; `None` where its server is missing.
fn capabilities(start: Start) -> Result<Option<BrokerCapabilities>, String> {
    let look = async move {
        match start().await {
            Some(fixture) => Some(fixture.broker().await.capabilities),
            None => None,
        }
    };
    let runtime = runtime()?;
    // What panics here has said why; the cases of the adapter are to fail, and no others.
    let looked = runtime.block_on(async { tokio::spawn(look).await });
    looked.map_err(|_| "the adapter did not start".to_owned())
}

fn run(case: Case, start: Start) -> Result<(), String> {
    runtime()?.block_on(async {
        let fixture = start().await.ok_or("its server is gone")?;
        case.check(fixture).await
    })
}
