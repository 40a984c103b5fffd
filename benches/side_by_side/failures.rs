use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use activelog_application::ports::{Addressed, AfterDeadLetter, Clock, DeathReason, Failures, ParkingStore};
use activelog_infrastructure::{
    clock::SystemClock,
    persistence::{
        postgres::{PgDatabase, PgOptions},
        sqlite::{SqliteDatabase, SqliteOptions},
    },
};
use anyhow::ensure;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::{
    bench::{Bench, Database},
    create::Server,
    figures::{Figures, whole},
    observer::{ACKNOWLEDGED, PUBLISHED, watch},
    process::Process,
    report::Row,
    seed,
};

/// How many events are parked, and how many are dead letters.
const FAILED: usize = 100_000;

/// How many events the worker takes beside them.
const EVENTS: usize = 10_000;

/// Their handler, which has to look at them for every event it takes.
const HANDLER: &str = "period-statistics";

/// When the parked ones are due: they wait for as long as the measurement takes.
const DUE: jiff::SignedDuration = jiff::SignedDuration::from_hours(2);

/// How often a list is asked for.
const REQUESTS: usize = 50;

/// The lists whose first pages are asked for.
const LISTS: [&str; 4] = [
    "/dead-letters",
    "/dead-letters?handler=period-statistics&reason=exhausted",
    "/parked",
    "/parked?handler=period-statistics",
];

/// What has failed, on SQLite.
pub(crate) fn sqlite(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let plain = bench.new_sqlite("failures")?;
    run(bench, "failures-sqlite", &plain)
}

/// What has failed, on PostgreSQL.
pub(crate) fn postgres(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    const NAME: &str = "failures-postgres";
    let server = match bench.postgres()? {
        Ok(server) => server,
        Err(missing) => return Ok(vec![Row::left_out(NAME, missing)]),
    };
    let plain = bench.new_postgres(server)?;
    run(bench, NAME, &plain)
}

fn run(bench: &Bench, name: &str, plain: &Database) -> anyhow::Result<Vec<Row>> {
    let (events, failed) = (bench.size(EVENTS), bench.size(FAILED));
    bench.block_on(seed::fill_outbox(plain, events))?;
    let mut relay = Process::activelog(&bench.new_folder("relay")?, &["relay", "--database-url", &plain.url])?;
    bench.block_on(watch(plain, PUBLISHED, events as f64, &mut relay))?;
    relay.stop()?;
    let burdened = bench.copy(plain)?;
    bench.block_on(fail(&burdened, failed))?;

    let (mut ours, mut without) = <(Figures, Figures)>::default();
    for _ in 0..bench.rounds {
        ours.push(work(bench, &burdened, events)?);
        without.push(work(bench, plain, events)?);
    }
    let mut throughput = Row::new(format!("{name}: worker")).rates(ours.median(), without.median());
    throughput.bar = "≥ 0.9";
    throughput.holds = throughput.ratio.map(|ratio| ratio >= 0.9);
    throughput.note = format!(
        "events a second with {} parked and as many dead: {}; without: {}",
        whole(failed as f64),
        ours.range(),
        without.range(),
    );
    throughput.figures = json!({ "activelog": ours, "raw": without });
    let lists = lists(bench, name, &burdened)?;
    bench.remove(&burdened)?;
    bench.remove(plain)?;
    Ok(vec![throughput, lists])
}

/// The worker takes all that is in the journal. Answers events per second.
fn work(bench: &Bench, full: &Database, events: usize) -> anyhow::Result<f64> {
    let database = bench.copy(full)?;
    let mut worker = Process::activelog(&bench.new_folder("worker")?, &["worker", "--database-url", &database.url])?;
    let (rate, _) = bench.block_on(watch(&database, ACKNOWLEDGED, events as f64, &mut worker))?;
    worker.stop()?;
    bench.remove(&database)?;
    Ok(rate)
}

/// First pages over HTTP.
fn lists(bench: &Bench, name: &str, database: &Database) -> anyhow::Result<Row> {
    let server = Server::activelog(bench, "api", database)?;
    let base = format!("http://{}", server.address());
    let client = reqwest::Client::builder().no_proxy().build()?;
    let (mut all, mut note) = (Vec::new(), Vec::new());
    for path in LISTS {
        let times = bench.block_on(async {
            let mut times = Vec::new();
            for _ in 0..REQUESTS {
                let start = Instant::now();
                let answer = client.get(format!("{base}{path}")).send().await?.error_for_status()?;
                let length = answer.bytes().await?.len();
                times.push(start.elapsed().as_secs_f64() * 1_000.0);
                ensure!(length > 1_000, "GET {path} answers {length} bytes, which is not a page");
            }
            Ok(times)
        })?;
        all.extend(&times);
        note.push(format!("{path} {}", times.into_iter().collect::<Figures>().quantiles()));
    }
    server.stop()?;
    let all: Figures = all.into_iter().collect();
    let mut row = Row::new(format!("{name}: first page"));
    row.activelog = all.quantiles();
    row.bar = "≤ 100 ms";
    row.holds = Some(all.quantile(0.99) <= 100.0);
    row.note = format!("{REQUESTS} requests each: {}; at most {:.1} ms", note.join("; "), all.max());
    row.figures = json!({ "p50_ms": all.quantile(0.5), "p99_ms": all.quantile(0.99), "max_ms": all.max() });
    Ok(row)
}

/// Parks so many events and buries as many, each of an aggregate of its own, as the worker does.
async fn fail(database: &Database, count: usize) -> anyhow::Result<()> {
    match &database.file {
        Some(file) => {
            let opened = SqliteDatabase::open(SqliteOptions::new(file), Arc::new(SystemClock)).await?;
            fill(&opened, count).await?;
            opened.close().await;
        }
        None => {
            let opened = PgDatabase::connect(PgOptions::new(&database.url)?, Arc::new(SystemClock)).await?;
            fill(&opened, count).await?;
            opened.close().await;
        }
    }
    Ok(())
}

async fn fill(store: &impl ParkingStore, count: usize) -> anyhow::Result<()> {
    /// As many at once as make a good group of commits.
    const AT_ONCE: usize = 64;
    let now = SystemClock.now();
    let failures = Failures {
        attempts: 7,
        first_at: now,
        last_at: now,
        error: "the storage refused a statement: no such table: period_statistics".to_owned(),
    };
    let due = now.checked_add(DUE)?;
    let begin = Instant::now();
    stream::iter(0..count * 2)
        .map(anyhow::Ok)
        .try_for_each_concurrent(AT_ONCE, |number| {
            let failures = &failures;
            async move {
                let event = Arc::new(seed::event()?);
                let addressed = Addressed { handler: HANDLER.to_owned(), group: "activelog".to_owned(), event };
                let done = if number % 2 == 0 {
                    store.park(&addressed, Some(failures), due).await?
                } else {
                    store.bury(&addressed, DeathReason::Exhausted, failures, AfterDeadLetter::Continue).await?
                };
                ensure!(done, "a new event was refused");
                Ok(())
            }
        })
        .await?;
    eprintln!("  {} failures written in {:?}", count * 2, Duration::from_secs(begin.elapsed().as_secs()));
    Ok(())
}
