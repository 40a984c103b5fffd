use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use activelog_application::ports::{Broker, DeliveryStream, EventPattern, Subscription};
use activelog_domain::event::EventEnvelope;
use activelog_infrastructure::{
    broker::{
        database::{DatabaseBroker, DatabaseOptions},
        memory::MemoryBroker,
    },
    clock::SystemClock,
    id_generator::UuidV7Generator,
    persistence::sqlite::{SqliteDatabase, SqliteOptions},
};
use anyhow::{Context, ensure};
use serde_json::json;
use tokio::{runtime::Runtime, sync::mpsc};

use crate::{bench::Bench, figures::Figures, figures::whole, report::Row, seed};

const MEMORY_EVENTS: usize = 200_000;
const DATABASE_EVENTS: usize = 50_000;

/// How many events are published together.
const BATCH: usize = 500;

/// How many events the channel holds: as many as a subscription has unsettled at most.
const CHANNEL: usize = 1_024;

/// Publish, deliver, acknowledge; against sending the same envelopes through a channel.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    // As many threads as activelog has, for both.
    let runtime = Runtime::new()?;
    let memory = {
        let events = Arc::new(seed::events(bench.size(MEMORY_EVENTS))?);
        compare(bench, "broker memory", &events, &runtime, || runtime.block_on(memory(events.clone())))?
    };
    let database = {
        let events = Arc::new(seed::events(bench.size(DATABASE_EVENTS))?);
        compare(bench, "broker database", &events, &runtime, || {
            let file = bench.new_folder("broker")?.join("activelog.db");
            runtime.block_on(database(SqliteOptions::new(file), events.clone()))
        })?
    };
    Ok(vec![memory, database])
}

fn compare(
    bench: &Bench,
    name: &str,
    events: &Arc<Vec<EventEnvelope>>,
    runtime: &Runtime,
    broker: impl Fn() -> anyhow::Result<Duration>,
) -> anyhow::Result<Row> {
    let rate = |took: Duration| events.len() as f64 / took.as_secs_f64();
    let (mut ours, mut theirs) = <(Figures, Figures)>::default();
    for _ in 0..bench.rounds {
        ours.push(rate(broker()?));
        theirs.push(rate(runtime.block_on(channel(events.clone()))?));
    }
    let mut row = Row::new(name).rates(ours.median(), theirs.median());
    let count = whole(events.len() as f64);
    row.note = format!("{count} events: activelog {}/s, a channel {}/s", ours.range(), theirs.range());
    row.figures = json!({ "activelog": ours, "raw": theirs });
    Ok(row)
}

async fn memory(events: Arc<Vec<EventEnvelope>>) -> anyhow::Result<Duration> {
    through(MemoryBroker::default().broker(), events).await
}

async fn database(options: SqliteOptions, events: Arc<Vec<EventEnvelope>>) -> anyhow::Result<Duration> {
    let database = SqliteDatabase::open(options, Arc::new(SystemClock)).await?;
    database.migrate().await?;
    let (signal, shared) = (database.journal_signal(), Arc::new(database.clone()));
    let (ids, options) = (Arc::new(UuidV7Generator), DatabaseOptions::default());
    let broker = DatabaseBroker::new(shared.clone(), shared.clone(), shared, signal, ids, options).broker();
    let took = through(broker, events).await;
    database.close().await;
    took
}

/// From the first publication to the last acknowledgement.
async fn through(broker: Broker, events: Arc<Vec<EventEnvelope>>) -> anyhow::Result<Duration> {
    let subscription = Subscription::new("bench", vec![EventPattern::all()]).prefetch(CHANNEL);
    let stream = broker.subscriber.subscribe(&subscription).await?;
    let start = Instant::now();
    let taken = tokio::spawn(take(stream, events.len()));
    for batch in events.chunks(BATCH) {
        for outcome in broker.publisher.publish_batch(batch).await {
            outcome?;
        }
    }
    taken.await??;
    let took = start.elapsed();
    broker.subscriber.close().await?;
    broker.publisher.close().await?;
    Ok(took)
}

async fn take(mut stream: Box<dyn DeliveryStream>, count: usize) -> anyhow::Result<()> {
    let mut taken = 0;
    while taken < count {
        for delivery in stream.next().await.context("the stream ended early")? {
            delivery.ack().await?;
            taken += 1;
        }
    }
    ensure!(taken == count, "{taken} of {count} events were delivered");
    Ok(stream.close().await?)
}

async fn channel(events: Arc<Vec<EventEnvelope>>) -> anyhow::Result<Duration> {
    let (sender, mut receiver) = mpsc::channel(CHANNEL);
    let start = Instant::now();
    let sent = events.clone();
    let sending = tokio::spawn(async move {
        for event in sent.iter() {
            sender.send(event.clone()).await?;
        }
        anyhow::Ok(())
    });
    let mut taken = 0;
    while receiver.recv().await.is_some() {
        taken += 1;
    }
    sending.await??;
    ensure!(taken == events.len(), "{taken} events came through the channel");
    Ok(start.elapsed())
}
