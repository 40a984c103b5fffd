//! What the test binaries and benchmarks share: real servers, started privately on loopback.
#![expect(
    dead_code,
    unreachable_pub,
    reason = "every test binary is a crate of its own and uses a part of this module"
)]

pub mod broker_kind;
pub mod private_broker;
pub mod private_kafka;
pub mod private_postgres;
mod private_rabbitmq;
pub mod proxy;

use std::{
    io::Write,
    sync::{
        Once, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

pub use broker_kind::Kind;
pub use private_broker::PrivateBroker;
pub use private_postgres::{PrivatePostgres, ServerMissing};

/// Keeps the expectation above true in a binary that uses everything.
struct NeverUsed;

/// Whether a missing server fails the tests that need it instead of leaving them out: `ACTIVELOG_REQUIRE_SERVERS=1`.
pub fn require_servers() -> bool {
    std::env::var_os("ACTIVELOG_REQUIRE_SERVERS").is_some_and(|value| value == "1")
}

/// The PostgreSQL server of this test binary, started with the first use and stopped when the process ends, however it ends. `None`
/// if there is none on this machine: the caller's test is left out, which is said on standard error.
pub fn postgres() -> Option<&'static PrivatePostgres> {
    static SERVER: OnceLock<Result<PrivatePostgres, ServerMissing>> = OnceLock::new();
    match SERVER.get_or_init(PrivatePostgres::start) {
        Ok(server) => Some(server),
        Err(missing) => {
            left_out(missing);
            None
        }
    }
}

/// The URL of a new, empty database on [`postgres`].
pub fn fresh_database() -> Option<String> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let server = postgres()?;
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server.create_database(&name);
    Some(server.url(&name))
}

/// The broker of this test binary, started with the first use and stopped when the process ends, however it ends. `None` if there is none on this machine: the
/// caller's test is left out, which is said on standard error.
pub fn broker(kind: Kind) -> Option<&'static PrivateBroker> {
    static REDIS: OnceLock<Option<PrivateBroker>> = OnceLock::new();
    static NATS: OnceLock<Option<PrivateBroker>> = OnceLock::new();
    static RABBITMQ: OnceLock<Option<PrivateBroker>> = OnceLock::new();
    static KAFKA: OnceLock<Option<PrivateBroker>> = OnceLock::new();
    let server = match kind {
        Kind::Redis => &REDIS,
        Kind::Nats => &NATS,
        Kind::RabbitMq => &RABBITMQ,
        Kind::Kafka => &KAFKA,
    };
    let server = server.get_or_init(|| PrivateBroker::start(kind)).as_ref();
    if server.is_none() {
        broker_left_out(kind);
    }
    server
}

/// The URL of a namespace of its own on [`broker`].
pub fn fresh_namespace(kind: Kind) -> Option<String> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let server = broker(kind)?;
    Some(server.url(&format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed))))
}

/// Says that tests are left out for want of a broker; fails the test when servers are required.
pub fn broker_left_out(kind: Kind) {
    missing(kind.missing());
}

/// Says that tests are left out for want of something; fails the test when servers are required.
pub fn missing(what: &str) {
    assert!(!require_servers(), "ACTIVELOG_REQUIRE_SERVERS=1, and {what}");
    say(&format!("LEFT OUT: every test on it, which counts as passed. {what}\n"));
}

fn say(line: &str) {
    // Not by a macro: the harness keeps what those print of tests that pass.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Says, once for the test binary, that tests are left out for want of a server; fails the test when servers are required.
#[expect(clippy::panic, reason = "a required server that is missing fails the test")]
pub fn left_out(missing: &ServerMissing) {
    static SAID: Once = Once::new();
    if require_servers() {
        panic!("ACTIVELOG_REQUIRE_SERVERS=1, and {missing}");
    }
    SAID.call_once(|| {
        let binary = std::env::current_exe().unwrap_or_default();
        let binary = binary.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        say(&format!("LEFT OUT of {binary}: every test on PostgreSQL, which counts as passed. {missing}\n"));
    });
}

/// Waits until `condition` answers something, trying again every few milliseconds; fails after `deadline`.
#[expect(clippy::panic, reason = "a condition that never holds fails the test")]
pub async fn eventually<T, F>(what: &str, deadline: Duration, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        if start.elapsed() > deadline {
            panic!("{what}: not within {deadline:?}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The seed of a test's random choices: a new one each time, or that of `ACTIVELOG_TEST_SEED`. It is printed, so that a failure can be
/// repeated.
#[expect(clippy::print_stderr, clippy::expect_used, reason = "this is how a test speaks to whoever runs it")]
pub fn seed(test: &str) -> u64 {
    let chosen = std::env::var_os("ACTIVELOG_TEST_SEED");
    let seed = chosen.map_or_else(
        || fastrand::u64(..),
        |text| text.to_str().and_then(|text| text.parse().ok()).expect("ACTIVELOG_TEST_SEED is a number"),
    );
    eprintln!("{test}: ACTIVELOG_TEST_SEED={seed}");
    seed
}
