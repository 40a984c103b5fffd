//! Asked to stop, in the middle of work.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    client::Client,
    load::Load,
    process::{PATIENCE, Setting},
    store::Store,
    support::{self, eventually},
};

/// The bound on a stop.
const GRACE: Duration = Duration::from_secs(10);

/// The exit code of a stop that was cut short, as the program's help has it.
const CUT_SHORT: i32 = 130;

/// One signal under load: exit 0 in time, and what was acknowledged is stored once.
async fn stops_in_order(setting: &Setting, seed: u64) {
    let mut program = setting.start("serve").await;
    let load = Load::start(program.base(), 12, &seed.to_string());
    load.reaches(100).await;
    let asked = Instant::now();
    program.signal(Signal::SIGTERM);
    let status = program.ended(GRACE).await;
    assert_eq!(status.code(), Some(0), "after {:?}:\n{}", asked.elapsed(), program.log());
    assert!(!program.log().contains("ERROR"), "{}", program.log());
    if let Store::Sqlite(file) = &setting.store {
        assert!(
            !file.with_extension("db-wal").exists(),
            "the file alone is not a backup: its write-ahead log is still there"
        );
    }
    let attempts = load.finish().await;
    // Those that were refused or never arrived are not there.
    let stored = setting.store.whole_chains().await;
    assert!(stored >= i64::try_from(attempts.acknowledged()).expect("few"), "{stored} are stored");

    let program = setting.start("serve").await;
    let activities = attempts.resolve(&Client::new(program.base())).await;
    setting.store.settles_with(activities).await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_stops_in_order_on_sqlite() {
    stops_in_order(&Setting::sqlite(), support::seed("a_signal_stops_in_order_on_sqlite")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_stops_in_order_on_postgres() {
    let Some(setting) = Setting::postgres() else { return };
    stops_in_order(&setting, support::seed("a_signal_stops_in_order_on_postgres")).await;
}

/// A client that never finishes its request does not hold up a stop beyond its bound, nor make it a failure.
#[tokio::test]
async fn stalled_clients_do_not_hold_up_a_stop() {
    let setting = Setting::sqlite();
    let mut program = setting.start("serve").await;
    let head = "POST /activities HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let mut stalled = Vec::new();
    for sent in ["", "POST /activities HT", head] {
        let mut stream = TcpStream::connect(program.address()).await.expect("it listens");
        stream.write_all(sent.as_bytes()).await.expect("it reads");
        stalled.push(stream);
    }
    // Answered after those before were accepted.
    Client::new(program.base()).get("/health/live").await;
    program.signal(Signal::SIGTERM);
    let status = program.ended(GRACE).await;
    assert_eq!(status.code(), Some(0), "{}", program.log());
}

/// The second signal stops at once, and still loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_stops_at_once() {
    let setting = Setting::sqlite();
    let seed = support::seed("a_second_signal_stops_at_once");
    let mut program = setting.start("serve").await;
    // A request that does not end keeps the first signal from being enough.
    let mut stalled = TcpStream::connect(program.address()).await.expect("it listens");
    let head = "POST /activities HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    stalled.write_all(head.as_bytes()).await.expect("it reads");
    let load = Load::start(program.base(), 12, &seed.to_string());
    load.reaches(100).await;
    program.signal(Signal::SIGTERM);
    eventually("it begins to stop", PATIENCE, async || program.log().contains("stopping: finishing").then_some(()))
        .await;
    program.signal(Signal::SIGTERM);
    let status = program.ended(Duration::from_secs(2)).await;
    assert_eq!(status.code(), Some(CUT_SHORT), "{}", program.log());
    let attempts = load.finish().await;

    let program = setting.start("serve").await;
    let activities = attempts.resolve(&Client::new(program.base())).await;
    setting.store.settles_with(activities).await;
    program.stop().await;
}
