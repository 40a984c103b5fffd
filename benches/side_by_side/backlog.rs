use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use crate::{
    bench::{Bench, Database},
    figures::whole,
    observer::{ACKNOWLEDGED, Observer, PUBLISHED, watch},
    process::Process,
    report::Row,
    seed,
};

/// What has come together while the broker was away for ten minutes.
const EVENTS: usize = 1_000_000;

/// How long the worker is watched, at least: its memory is what it takes at once, and that does not grow with what waits.
const WORKER: Duration = Duration::from_secs(30);

/// Relay and worker on SQLite.
pub(crate) fn sqlite(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let database = bench.new_sqlite("backlog")?;
    run(bench, "backlog-sqlite", &database)
}

/// Relay and worker on PostgreSQL.
pub(crate) fn postgres(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    const NAME: &str = "backlog-postgres";
    let server = match bench.postgres()? {
        Ok(server) => server,
        Err(missing) => return Ok(vec![Row::left_out(NAME, missing)]),
    };
    let database = bench.new_postgres(server)?;
    run(bench, NAME, &database)
}

fn run(bench: &Bench, name: &str, database: &Database) -> anyhow::Result<Vec<Row>> {
    let events = bench.size(EVENTS);
    bench.block_on(seed::fill_outbox(database, events))?;

    let mut relay = Process::activelog(&bench.new_folder("relay")?, &["relay", "--database-url", &database.url])?;
    let (published, _) = bench.block_on(watch(database, PUBLISHED, events as f64, &mut relay))?;
    let relay_memory = relay.memory("VmHWM:")?;
    relay.stop()?;

    let mut worker = Process::activelog(&bench.new_folder("worker")?, &["worker", "--database-url", &database.url])?;
    let time = if bench.smoke { bench.turn } else { bench.turn.max(WORKER) };
    let handled = bench.block_on(work(database, time, &mut worker))?;
    let worker_memory = worker.memory("VmHWM:")?;
    worker.stop()?;
    bench.remove(database)?;

    let mut row = Row::new(name);
    row.activelog = format!("relay {relay_memory:.0} MiB, worker {worker_memory:.0} MiB");
    row.bar = "< 150 MB each";
    row.holds = Some(relay_memory.max(worker_memory) * 1.048_576 < 150.0);
    row.note = format!(
        "{} events waited: all published at {}/s; the worker has handled {} of them in {time:?}",
        whole(events as f64),
        whole(published),
        whole(handled),
    );
    row.figures = json!({
        "relay_peak_mib": relay_memory, "worker_peak_mib": worker_memory, "published_per_second": published, "handled": handled,
    });
    Ok(vec![row])
}

/// Lets the worker work for so long; answers how many events it has acknowledged.
async fn work(database: &Database, time: Duration, worker: &mut Process) -> anyhow::Result<f64> {
    let mut observer = Observer::connect(database).await?;
    let start = Instant::now();
    loop {
        worker.ensure_runs()?;
        let handled = observer.number(ACKNOWLEDGED).await?;
        if start.elapsed() >= time && handled > 0.0 {
            observer.close().await?;
            return Ok(handled);
        }
        ensure!(start.elapsed() < time + Duration::from_secs(60), "the worker has acknowledged nothing");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
