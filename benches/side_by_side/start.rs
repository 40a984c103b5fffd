use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::{
    bench::Bench,
    create::{CONNECTIONS, Server},
    figures::{Figures, whole},
    latency::all_handled,
    load,
    process::{Process, free_address},
    report::Row,
};

/// How often it is started.
const STARTS: usize = 5;

/// `serve` on existing data: how soon it answers, and how much memory it takes when nothing happens.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let database = bench.new_sqlite("start")?;
    let file = database.file.clone().context("a SQLite file")?;
    let server = Server::activelog(bench, "serve", &database)?;
    let data = bench.block_on(load::closed(server.address(), CONNECTIONS, bench.turn.min(Duration::from_secs(2))))?;
    bench.block_on(all_handled(&file, data.created))?;
    server.stop()?;

    let (mut ours, mut theirs, mut idle) = <(Figures, Figures, Figures)>::default();
    let rest = Duration::from_secs(if bench.smoke { 1 } else { 3 });
    for _ in 0..STARTS.min(bench.rounds * 2) {
        let address = free_address()?;
        let arguments = ["serve", "--listen", &address.to_string(), "--database-url", &database.url];
        let mut process = Process::activelog(&bench.new_folder("serve")?, &arguments)?;
        ours.push(process.wait_for_http(address)?.as_secs_f64() * 1_000.0);
        bench.block_on(async { tokio::time::sleep(rest).await });
        idle.push(process.memory("VmRSS:")?);
        process.stop()?;

        let address = free_address()?;
        let arguments = ["bare-server", &address.to_string(), &database.url, "1"];
        let mut process = Process::counterpart(&bench.new_folder("bare")?, &arguments)?;
        theirs.push(process.wait_for_http(address)?.as_secs_f64() * 1_000.0);
        process.stop()?;
    }
    let mut start = Row::new("start: first answer");
    start.activelog = format!("{:.0} ms", ours.median());
    start.raw = format!("{:.0} ms", theirs.median());
    start.ratio = Some(ours.median() / theirs.median());
    start.bar = "≤ 300 ms";
    start.holds = Some(ours.median() <= 300.0);
    start.note = format!(
        "{} activities; milliseconds: activelog {}, the bare server {}",
        whole(data.created as f64),
        ours.range(),
        theirs.range()
    );
    start.figures = json!({ "activelog_ms": ours, "raw_ms": theirs });
    let mut memory = Row::new("start: idle memory");
    memory.activelog = format!("{:.1} MiB", idle.median());
    memory.bar = "≤ 40 MB";
    memory.holds = Some(idle.max() * 1.048_576 <= 40.0);
    memory.note = format!("resident after {rest:?} without requests, at most {:.1} MiB", idle.max());
    memory.figures = json!({ "resident_mib": idle });
    Ok(vec![start, memory])
}
