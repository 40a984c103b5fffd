use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

use crate::{
    bench::{Bench, Database},
    figures::{Figures, whole},
    observer::{PUBLISHED, watch},
    process::Process,
    report::Row,
    seed,
};

/// How many events wait.
const EVENTS: usize = 100_000;

/// The relay on SQLite.
pub(crate) fn sqlite(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let full = bench.new_sqlite("outbox")?;
    run(bench, "relay-sqlite", &full).map(|row| vec![row])
}

/// The relay on PostgreSQL.
pub(crate) fn postgres(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    const NAME: &str = "relay-postgres";
    let server = match bench.postgres()? {
        Ok(server) => server,
        Err(missing) => return Ok(vec![Row::left_out(NAME, missing)]),
    };
    let full = bench.new_postgres(server)?;
    run(bench, NAME, &full).map(|row| vec![row])
}

fn run(bench: &Bench, name: &str, full: &Database) -> anyhow::Result<Row> {
    let events = bench.size(EVENTS);
    bench.block_on(seed::fill_outbox(full, events))?;
    let (mut ours, mut theirs, mut memory, mut waits) = <(Figures, Figures, Figures, Figures)>::default();
    for _ in 0..bench.rounds {
        let drained = drain(bench, full, events)?;
        ours.push(drained.rate);
        memory.push(drained.memory);
        waits.push(drained.until_first.as_secs_f64() * 1_000.0);
        theirs.push(bare_drain(bench, full, events)?);
    }
    let mut row = Row::new(name).rates(ours.median(), theirs.median());
    row.bar = "≥ 20,000/s or ≥ 0.5; < 150 MB";
    let fast = ours.median() >= 20_000.0 || row.ratio.is_some_and(|ratio| ratio >= 0.5);
    row.holds = Some(fast && memory.max() < 150.0);
    row.note = format!(
        "{} events: activelog {}/s, raw {}/s; at most {:.0} MiB; the first moved {:.0} ms after the start",
        whole(events as f64),
        ours.range(),
        theirs.range(),
        memory.max(),
        waits.median(),
    );
    row.figures = json!({ "activelog": ours, "raw": theirs, "peak_mib": memory, "first_move_ms": waits });
    Ok(row)
}

struct Drained {
    /// Events per second from the first move on.
    rate: f64,
    /// Peak memory in MiB.
    memory: f64,
    /// From the start of the process to the first move.
    until_first: Duration,
}

/// A fresh relay moves everything to the journal.
fn drain(bench: &Bench, full: &Database, events: usize) -> anyhow::Result<Drained> {
    let database = bench.copy(full)?;
    let started = Instant::now();
    let mut relay = Process::activelog(&bench.new_folder("relay")?, &["relay", "--database-url", &database.url])?;
    let (rate, first) = bench.block_on(watch(&database, PUBLISHED, events as f64, &mut relay))?;
    let memory = relay.memory("VmHWM:")?;
    relay.stop()?;
    let left = bench.number(&database, "SELECT count(*) FROM outbox")?;
    let kept = bench.number(&database, "SELECT count(*) FROM journal")?;
    ensure!(left == 0 && usize::try_from(kept) == Ok(events), "{left} left, {kept} of {events} in the journal");
    bench.remove(&database)?;
    Ok(Drained { rate, memory, until_first: first - started })
}

/// The plain loop; events per second.
fn bare_drain(bench: &Bench, full: &Database, events: usize) -> anyhow::Result<f64> {
    let database = bench.copy(full)?;
    let said = Process::counterpart(&bench.new_folder("drain")?, &["bare-drain", &database.url])?.finish()?;
    let (rows, seconds) = said.trim().split_once(' ').context("the bare loop says how it went")?;
    ensure!(rows.parse() == Ok(events), "the bare loop deleted {rows} of {events}");
    bench.remove(&database)?;
    Ok(events as f64 / seconds.parse::<f64>()?)
}
