//! `activelog import` of a large export, beside a running program and alone, interrupted and twice.

use std::{fmt::Write as _, fs, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    client::Client,
    process::{PATIENCE, Setting, run},
    support::{self, eventually},
};

const USER: &str = "0198c0de-0000-7000-8000-000000000001";
const ROWS: u32 = 10_000;

/// The bulk export of somebody who has done a lot: commas, quotes and line feeds in texts, two columns of the same name.
fn export(seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut text =
        "\u{feff}Activity ID,Activity Date,Activity Name,Activity Type,Activity Description,Elapsed Time,Distance,\
                    Commute,Elapsed Time,Moving Time,Distance,Calories\n"
            .to_owned();
    for id in 0..ROWS {
        let (year, month, day) = (random.u16(2012..2026), random.usize(..12), random.u8(1..=28));
        let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month];
        let (hour, minute, half) = (random.u8(1..=12), random.u8(..60), ["AM", "PM"][random.usize(..2)]);
        let name = ["Morning Run", "\"Lunch, then a ride\"", "\"The \"\"long\"\" one\"", "Evening"][random.usize(..4)];
        let kind = ["Run", "Ride", "Swim", "Hike"][random.usize(..4)];
        let description = ["", "\"two\nlines\"", "plain"][random.usize(..3)];
        let (seconds, metres) = (random.u32(600..20_000), random.u32(1_000..90_000));
        let (whole, thousandths) = (metres / 1_000, metres % 1_000);
        writeln!(
            text,
            "{id},\"{month} {day}, {year}, {hour}:{minute:02}:09 {half}\",{name},{kind},{description},{seconds},\
             {whole}.{:02},false,{seconds}.0,{}.0,{metres}.0,{}.5",
            thousandths / 10,
            seconds - 60,
            random.u32(50..3_000)
        )
        .expect("it fits");
    }
    text
}

/// Runs an import to its end; answers its exit code and figures.
async fn import(setting: &Setting, file: &str) -> (Option<i32>, Value) {
    let output = setting.run(&["import", file, "--user", USER, "--output", "json"]).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    (output.status.code(), report)
}

fn figures(report: &Value) -> [u64; 3] {
    ["imported", "skipped", "refused"].map(|name| report[name].as_u64().expect("a number"))
}

/// Alone, with a Ctrl-C on the way: what was imported stays, the next run does the rest, a third has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_import_goes_on() {
    let setting = Setting::sqlite();
    let seed = support::seed("an_interrupted_import_goes_on");
    fs::write(setting.folder().join("activities.csv"), export(seed)).unwrap();
    let migrated = setting.run(&["migrate"]).await;
    assert!(migrated.status.success(), "{migrated:?}");

    let mut command = setting.command(&["import", "activities.csv", "--user", USER]);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let stored = async || setting.store.numbers("SELECT count(*) FROM activities").await[0];
    eventually("the import is on its way", PATIENCE, async || (stored().await > 500).then_some(())).await;
    let pid = nix::unistd::Pid::from_raw(child.id().and_then(|pid| pid.try_into().ok()).expect("it runs"));
    nix::sys::signal::kill(pid, Signal::SIGINT).expect("it is ours");
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let before = setting.store.whole_chains().await;
    assert!((1..i64::from(ROWS)).contains(&before), "{before} were imported before the interruption");
    let summary = String::from_utf8_lossy(&output.stdout);
    assert!(summary.contains(&before.to_string()), "{before}: {summary}");

    let (code, report) = import(&setting, "activities.csv").await;
    assert_eq!(code, Some(0), "{report}");
    let before = u64::try_from(before).expect("not negative");
    assert_eq!(figures(&report), [u64::from(ROWS) - before, before, 0]);
    let (code, report) = import(&setting, "activities.csv").await;
    assert_eq!((code, figures(&report)), (Some(0), [0, ROWS.into(), 0]));
    assert_eq!(setting.store.whole_chains().await, i64::from(ROWS));
}

/// Beside `serve` on the same file, from a gzipped export: requests are answered meanwhile, and the running program publishes and
/// handles what was imported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_beside_serve() {
    let setting = Setting::sqlite();
    let seed = support::seed("an_import_beside_serve");
    let file = fs::File::create(setting.folder().join("activities.csv.gz")).unwrap();
    let mut gzip = GzEncoder::new(file, Compression::fast());
    gzip.write_all(export(seed).as_bytes()).unwrap();
    gzip.finish().unwrap();
    let serve = setting.start("serve").await;
    let client = Client::new(serve.base());
    let importing = run(setting.command(&["import", "activities.csv.gz", "--user", USER, "--output", "json"]));
    let mut importing = std::pin::pin!(importing);
    let other = crate::client::activity(uuid::Uuid::from_u128(7), 1, 10);
    let mut created = 0;
    let output = loop {
        tokio::select! {
            output = &mut importing => break output,
            _ = client.create(&other) => created += 1,
        }
    };
    assert!(output.status.success(), "{output:?}");
    assert!(created > 0, "requests are answered while the import runs");
    // The request under way when the import ended may be stored or not.
    let stored = setting.store.whole_chains().await;
    assert!((0..=1).contains(&(stored - i64::from(ROWS) - created)), "{stored} stored, {created} created");
    let (code, report) = import(&setting, "activities.csv.gz").await;
    assert_eq!((code, figures(&report)), (Some(0), [0, ROWS.into(), 0]));
    eventually("what was imported is published", PATIENCE, async || {
        (setting.store.numbers("SELECT count(*) FROM outbox").await == [0]).then_some(())
    })
    .await;
    let handled = async || setting.store.numbers("SELECT count(*) FROM inbox").await[0];
    let more = handled().await + 100;
    eventually("and handled", PATIENCE, async || (handled().await >= more.min(3 * stored)).then_some(())).await;
    serve.stop().await;
}
