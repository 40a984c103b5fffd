//! A worker beside a broker in which a million events wait: its memory is what it takes at once, and does not grow with what waits.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use activelog_application::ports::{EventPattern, Subscription};
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources},
    id_generator::UuidV7Generator,
};
use anyhow::ensure;
use serde_json::json;

use crate::{
    bench::Bench,
    figures::whole,
    process::Process,
    report::Row,
    seed,
    support::{Kind, PrivateBroker, require_servers},
};

const EVENTS: usize = 1_000_000;

/// How many are published together.
const BATCH: usize = 10_000;

/// How long the worker is watched.
const TIME: Duration = Duration::from_secs(60);

/// The group of a worker, unless it is told another.
const GROUP: &str = "activelog";

const NAMESPACE: &str = "backlog";

/// Each event is taken once by each of its handlers.
const HANDLED: &str = "SELECT count(DISTINCT event_id) FROM inbox";

/// A row for each broker.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let kinds = [Kind::Redis, Kind::Nats, Kind::RabbitMq, Kind::Kafka];
    let compiled = |kind: &Kind| *kind != Kind::Kafka || cfg!(feature = "kafka");
    kinds.into_iter().filter(compiled).map(|kind| beside(bench, kind)).collect()
}

fn beside(bench: &Bench, kind: Kind) -> anyhow::Result<Row> {
    let name = format!("backlog-{}", kind.name());
    let Some(server) = PrivateBroker::start(kind) else {
        ensure!(!require_servers(), "ACTIVELOG_REQUIRE_SERVERS=1, and {}", kind.missing());
        return Ok(Row::left_out(&name, kind.missing()));
    };
    let (url, events) = (server.url(NAMESPACE), bench.size(EVENTS));
    tokio::runtime::Runtime::new()?.block_on(fill(&url, events))?;

    let database = bench.new_sqlite("backlog")?;
    let arguments = ["worker", "--database-url", &database.url, "--broker-url", &url];
    let mut worker = Process::activelog(&bench.new_folder("worker")?, &arguments)?;
    let time = if bench.smoke { bench.turn } else { TIME };
    // The peak in the first half of the time, and in the second.
    let (start, mut peaks) = (Instant::now(), [0.0_f64; 2]);
    let mut handled = 0;
    while start.elapsed() < time || handled == 0 {
        worker.ensure_runs()?;
        ensure!(start.elapsed() < time + Duration::from_secs(60), "the worker has handled nothing");
        let half = usize::from(start.elapsed() * 2 >= time);
        peaks[half] = peaks[half].max(worker.memory("VmRSS:")?);
        bench.block_on(async { tokio::time::sleep(Duration::from_millis(100)).await });
        // Counting takes a while: only once the time is over.
        if start.elapsed() >= time {
            handled = bench.number(&database, HANDLED)?;
        }
    }
    let peak = worker.memory("VmHWM:")?;
    worker.stop()?;
    bench.remove(&database)?;

    let mut row = Row::new(name);
    row.activelog = format!("worker {peak:.0} MiB");
    row.bar = "< 150 MB, and flat";
    let flat = peaks[1] <= peaks[0] * 1.1;
    row.holds = Some(peak * 1.048_576 < 150.0 && flat);
    row.note = format!(
        "{} events waited, {} of them were handled in {time:?}; at most {:.0} MiB in the first half of that, {:.0} in the second",
        whole(events as f64),
        whole(handled as f64),
        peaks[0],
        peaks[1],
    );
    row.figures =
        json!({ "peak_mib": peak, "first_half_mib": peaks[0], "second_half_mib": peaks[1], "handled": handled });
    Ok(row)
}

/// Publishes so many events to a group that is known and away.
async fn fill(url: &str, events: usize) -> anyhow::Result<()> {
    let resources = BrokerResources { ids: Arc::new(UuidV7Generator), journal: None };
    let broker = BrokerRegistry::with_builtin().connect(url, resources).await?;
    let group = Subscription::new(GROUP, vec![EventPattern::all()]);
    broker.subscriber.subscribe(&group).await?.close().await?;
    let mut left = events;
    while left > 0 {
        let batch = seed::events(left.min(BATCH))?;
        for outcome in broker.publisher.publish_batch(&batch).await {
            outcome?;
        }
        left -= batch.len();
    }
    broker.subscriber.close().await?;
    Ok(broker.publisher.close().await?)
}
