use std::{fmt::Write, fs};

use anyhow::ensure;
use serde_json::json;

use crate::{
    bench::Bench,
    figures::{Figures, whole},
    process::Process,
    report::Row,
};

const ROWS: usize = 10_000;

/// The columns of a Strava export that are read, and some that are not; the names that occur twice occur twice.
const HEADER: &str = "Activity ID,Activity Date,Activity Name,Activity Type,Activity Description,Elapsed Time,Distance,\
    Max Heart Rate,Relative Effort,Commute,Activity Gear,Filename,Elapsed Time,Moving Time,Distance,Max Speed,Calories";

/// `activelog import` of an export, against the statements of as many creations with a commit each.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let rows = bench.size(ROWS);
    let file = bench.folder().join("activities.csv");
    fs::write(&file, export(rows))?;
    let (mut ours, mut theirs) = <(Figures, Figures)>::default();
    for _ in 0..bench.rounds {
        let database = bench.new_sqlite("import")?;
        let path = file.display().to_string();
        let user = "01929d5e-0000-7000-8000-000000000001";
        let arguments = ["import", &path, "--user", user, "--database-url", &database.url];
        ours.push(timed(Process::activelog(&bench.new_folder("importing")?, &arguments)?)?);
        let stored = bench.number(&database, "SELECT count(*) FROM activities")?;
        ensure!(usize::try_from(stored) == Ok(rows), "{stored} of {rows} rows were imported");
        let database = bench.new_sqlite("bare")?;
        let arguments = ["bare-creates", &database.url, &rows.to_string()];
        theirs.push(timed(Process::counterpart(&bench.new_folder("creates")?, &arguments)?)?);
    }
    let mut row = Row::new("import");
    row.activelog = format!("{:.2} s", ours.median());
    row.raw = format!("{:.2} s", theirs.median());
    row.ratio = Some(ours.median() / theirs.median());
    row.bar = "a few seconds";
    row.holds = Some(ours.median() <= 5.0);
    row.note = format!(
        "{} rows, {}/s; raw: the statements of a creation, a commit each, {}/s",
        whole(rows as f64),
        whole(rows as f64 / ours.median()),
        whole(rows as f64 / theirs.median())
    );
    row.figures = json!({ "rows": rows, "activelog_s": ours, "raw_s": theirs });
    Ok(vec![row])
}

fn timed(process: Process) -> anyhow::Result<f64> {
    let started = process.started();
    process.finish()?;
    Ok(started.elapsed().as_secs_f64())
}

fn export(rows: usize) -> String {
    let mut text = format!("{HEADER}\n");
    for id in 1..=rows {
        let (day, hour) = (id % 28 + 1, id % 12 + 1);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{id},\"Mar {day}, 2024, {hour}:00:00 PM\",Morning Run,Run,\"Along the river, and back\",1801,5.01,172,55,false,\
             Shoes,activities/{id}.fit.gz,1801.0,1795.0,5012.3,4.9,371.6"
        );
    }
    text
}
