use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::mpsc;

use crate::{
    bench::{Bench, read_only},
    create::{CONNECTIONS, Server},
    figures::{Figures, whole},
    load::{self, Created},
    report::Row,
};

/// About how many requests a second are followed to their handlers' commits.
const SAMPLES_PER_SECOND: f64 = 100.0;

/// How often the database is looked at for those under way.
const POLL: Duration = Duration::from_millis(1);

/// After which an event counts as lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many handlers take every event.
const HANDLERS: u64 = 3;

/// How many rows of the user's one activity each handler has written: a row of each of the three is looked up by its key.
const HANDLED: &str = "SELECT EXISTS (SELECT 1 FROM period_statistics WHERE user_id = $1 AND period = 'month' \
     AND start = '2026-03-01') + EXISTS (SELECT 1 FROM efforts WHERE user_id = $1) \
     + EXISTS (SELECT 1 FROM leaderboard WHERE period = 'month' AND start = '2026-03-01' AND activity_type = 'run' \
     AND user_id = $1)";

/// `serve` on SQLite: from receiving 201 to all handlers having committed, at half of what it can sustain.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let database = bench.new_sqlite("latency")?;
    let file = database.file.clone().context("a SQLite file")?;
    let server = Server::activelog(bench, "serve", &database)?;

    let start = Instant::now();
    let full = bench.block_on(load::closed(server.address(), CONNECTIONS, bench.turn))?;
    bench.block_on(all_handled(&file, full.created))?;
    let sustained = full.created as f64 / start.elapsed().as_secs_f64();

    let rate = sustained / 2.0;
    let duration = if bench.smoke { bench.turn } else { bench.turn.max(Duration::from_secs(10)) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let every = (rate / SAMPLES_PER_SECOND).max(1.0) as u64;
    let (sender, created) = mpsc::unbounded_channel();
    let watcher = std::thread::spawn({
        let file = file.clone();
        move || watch(file, created)
    });
    let half = bench.block_on(load::open(server.address(), CONNECTIONS, duration, rate, every, sender))?;
    let latencies = watcher.join().map_err(|_| anyhow::anyhow!("the watcher panicked"))??;
    bench.block_on(all_handled(&file, full.created + half.created))?;
    server.stop()?;

    let mut row = Row::new("latency-embedded");
    row.activelog = latencies.quantiles();
    row.bar = "p50 ≤ 15 ms, p99 ≤ 100 ms";
    row.holds = Some(latencies.quantile(0.5) <= 15.0 && latencies.quantile(0.99) <= 100.0);
    let answers: Figures = half.latencies.iter().copied().collect();
    row.note = format!(
        "sustained {}/s from request to handlers ({}/s answered); open loop at {}/s for {duration:?}, {}/s reached; \
         {} samples; request to 201: {}; 201 to handlers: at most {:.1} ms",
        whole(sustained),
        whole(full.rate()),
        whole(rate),
        whole(half.rate()),
        latencies.count(),
        answers.quantiles(),
        latencies.max(),
    );
    row.figures = json!({
        "sustained_per_second": sustained, "rate": rate, "reached": half.rate(), "samples": latencies.count(),
        "p50_ms": latencies.quantile(0.5), "p99_ms": latencies.quantile(0.99), "max_ms": latencies.max(),
        "answer_p50_ms": answers.quantile(0.5), "answer_p99_ms": answers.quantile(0.99),
    });
    Ok(vec![row])
}

/// Waits until every handler has taken the events of so many activities.
pub(crate) async fn all_handled(file: &std::path::Path, created: u64) -> anyhow::Result<()> {
    let mut connection = read_only(file).await?;
    let (start, due) = (Instant::now(), i64::try_from(created * HANDLERS)?);
    loop {
        let taken: i64 = sqlx::query_scalar("SELECT count(*) FROM inbox").fetch_one(&mut connection).await?;
        if taken == due {
            return Ok(connection.close().await?);
        }
        ensure!(taken < due && start.elapsed() < PATIENCE, "handlers took {taken} events, {due} were due");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Follows activities until their handlers have committed. Answers the milliseconds that took.
fn watch(file: PathBuf, created: mpsc::UnboundedReceiver<Created>) -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(follow(file, created))
}

async fn follow(file: PathBuf, mut created: mpsc::UnboundedReceiver<Created>) -> anyhow::Result<Figures> {
    let mut connection = read_only(&file).await?;
    let (mut under_way, mut latencies): (Vec<Created>, Vec<f64>) = (Vec::new(), Vec::new());
    loop {
        if under_way.is_empty() {
            match created.recv().await {
                Some(one) => under_way.push(one),
                None => return Ok(latencies.into_iter().collect()),
            }
        }
        while let Ok(one) = created.try_recv() {
            under_way.push(one);
        }
        let mut waiting = Vec::new();
        for (user, since) in under_way {
            if handled(&mut connection, user).await? {
                latencies.push(since.elapsed().as_secs_f64() * 1_000.0);
            } else {
                ensure!(since.elapsed() < PATIENCE, "the handlers never took the activity of user {user}");
                waiting.push((user, since));
            }
        }
        under_way = waiting;
        tokio::time::sleep(POLL).await;
    }
}

async fn handled(connection: &mut SqliteConnection, user: uuid::Uuid) -> anyhow::Result<bool> {
    let handlers: i64 = sqlx::query_scalar(HANDLED).bind(user).fetch_one(connection).await?;
    Ok(u64::try_from(handlers) == Ok(HANDLERS))
}
