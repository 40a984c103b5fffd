use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use activelog_application::{
    activity::ports::Repositories,
    delivery::{
        ConcurrencyLayer, Consumer, ConsumerOptions, CrashGuard, Entry, EventHandler, FailureMachine, FailurePolicy,
        Handled, HandlerError, Invocation, InvocationError, Layer, Received, Retrier, RetrierOptions, Router,
    },
    orchestrator::{Orchestrator, OrchestratorOptions, Step},
    ports::{
        Broker, Clock, CrashMarks, GroupPositions, IdGenerator, Journal, LeaseStore, ParkingStore, Signal,
        Subscription, UnitOfWorkFactory,
    },
};
use activelog_domain::{activity::ActivityCreated, event::EventEnvelope};
use activelog_infrastructure::{
    broker::database::{DatabaseBroker, DatabaseOptions},
    clock::SystemClock,
    id_generator::UuidV7Generator,
    persistence::{
        postgres::{PgDatabase, PgOptions},
        sqlite::{SqliteDatabase, SqliteOptions},
    },
};
use activelog_interfaces::worker::Worker;
use anyhow::ensure;
use async_trait::async_trait;
use serde_json::json;
use tokio::{runtime::Runtime, sync::Notify};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    bench::Bench,
    figures::{Figures, whole},
    report::Row,
    seed,
};

/// How many aggregates there are.
const AGGREGATES: usize = 1_000;

/// The poisonous aggregate has one event of so many.
const POISON_SHARE: usize = 20;

/// How many events are published a second, and how many together.
const RATE: usize = 400;
const TOGETHER: usize = 4;

/// The defaults of the configuration.
const CONCURRENCY: usize = 64;
const PREFETCH: usize = 1_024;

/// How long the last event may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A poisonous aggregate among a thousand, on SQLite.
pub(crate) fn sqlite(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let runtime = Runtime::new()?;
    compare(bench, "poison-sqlite", |poisonous| {
        let file = bench.new_folder("poison")?.join("activelog.db");
        runtime.block_on(async {
            let database = SqliteDatabase::open(SqliteOptions::new(file), Arc::new(SystemClock)).await?;
            database.migrate().await?;
            let latencies = run(bench, Arc::new(database.clone()), database.journal_signal(), poisonous).await;
            database.close().await;
            latencies
        })
    })
}

/// A poisonous aggregate among a thousand, on PostgreSQL.
pub(crate) fn postgres(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    const NAME: &str = "poison-postgres";
    let server = match bench.postgres()? {
        Ok(server) => server,
        Err(missing) => return Ok(vec![Row::left_out(NAME, missing)]),
    };
    let runtime = Runtime::new()?;
    compare(bench, NAME, |poisonous| {
        let url = bench.new_postgres(server)?.url;
        runtime.block_on(async {
            let database = PgDatabase::connect(PgOptions::new(&url)?, Arc::new(SystemClock)).await?;
            let latencies = run(bench, Arc::new(database.clone()), database.journal_signal(), poisonous).await;
            database.close().await;
            latencies
        })
    })
}

fn compare(bench: &Bench, name: &str, run: impl Fn(bool) -> anyhow::Result<Figures>) -> anyhow::Result<Vec<Row>> {
    let (mut with, mut without) = <(Figures, Figures)>::default();
    let mut samples = 0;
    for _ in 0..bench.rounds {
        let (poisoned, clean) = (run(true)?, run(false)?);
        samples += poisoned.count();
        with.push(poisoned.quantile(0.99));
        without.push(clean.quantile(0.99));
    }
    let mut row = Row::new(name);
    row.activelog = format!("p99 {:.1} ms", with.median());
    row.raw = format!("p99 {:.1} ms", without.median());
    row.ratio = Some(with.median() / without.median());
    row.bar = "< 2";
    row.holds = row.ratio.map(|ratio| ratio < 2.0);
    row.note = format!(
        "from publishing to the handler's commit, {AGGREGATES} aggregates, {RATE} events/s, {} samples; every {POISON_SHARE}th event is of an \
         aggregate whose events always fail: p99 of the others {:.1} to {:.1} ms; where it fails nobody: {:.1} to {:.1} ms",
        whole(samples as f64),
        with.min(),
        with.max(),
        without.min(),
        without.max(),
    );
    row.figures = json!({ "with_p99_ms": with, "without_p99_ms": without });
    Ok(vec![row])
}

/// What a storage has to be for a worker and the broker on the journal.
trait Storage:
    UnitOfWorkFactory<dyn Repositories> + ParkingStore + CrashMarks + Journal + GroupPositions + LeaseStore
{
}

impl<S> Storage for S where
    S: UnitOfWorkFactory<dyn Repositories> + ParkingStore + CrashMarks + Journal + GroupPositions + LeaseStore
{
}

/// Publishes at a steady rate while a worker handles. Answers the milliseconds of every event but the poisonous aggregate's.
async fn run(bench: &Bench, storage: Arc<impl Storage>, signal: Signal, poisonous: bool) -> anyhow::Result<Figures> {
    let ids = Arc::new(UuidV7Generator);
    let options = DatabaseOptions::default();
    let broker = DatabaseBroker::new(storage.clone(), storage.clone(), storage.clone(), signal, ids, options).broker();
    let mut aggregates: Vec<EventEnvelope> = seed::events(AGGREGATES)?;
    let poison = aggregates[0].partition_key.clone();
    let stopwatch = Stopwatch { poison: poison.clone(), ..Stopwatch::default() };
    let stop = CancellationToken::new();
    let worker = worker(storage, &broker, &stopwatch, poisonous, &stop).await?;
    let stopped = stop.clone();
    let working = tokio::spawn(async move { worker.run(&stopped, &stopped).await });

    // What comes first waits for the group to be formed, and does not count.
    publish(&broker, &mut aggregates[1..2], &Stopwatch::default()).await?;
    stopwatch.first.notified().await;
    let published = load(bench, &broker, &mut aggregates, &stopwatch).await?;
    stopwatch.all_taken(published).await?;
    stop.cancel();
    working.await??;
    broker.subscriber.close().await?;
    broker.publisher.close().await?;
    Ok(stopwatch.latencies())
}

async fn worker(
    storage: Arc<impl Storage>,
    broker: &Broker,
    stopwatch: &Stopwatch,
    poisonous: bool,
    stop: &CancellationToken,
) -> anyhow::Result<Worker> {
    const GROUP: &str = "bench";
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn IdGenerator>) = (Arc::new(SystemClock), Arc::new(UuidV7Generator));
    let orchestrator = Orchestrator::new(storage.clone(), clock.clone(), ids.clone(), OrchestratorOptions::default());
    let guard = CrashGuard::begin(storage.clone(), GROUP, ids.next_id(), PREFETCH as u64).await?;
    let machine = FailureMachine::new(storage, clock, GROUP, stop.clone());
    let handler = Poisonable { poison: poisonous.then(|| stopwatch.poison.clone()) };
    let routes = Router::new(orchestrator)
        .layer(stopwatch.clone())
        .layer(ConcurrencyLayer::new(CONCURRENCY, stop.clone()))
        .layer(guard.layer())
        .on::<ActivityCreated>(Arc::new(handler))
        .build()?;
    let subscription = Subscription::new(GROUP.to_owned(), routes.patterns()).prefetch(PREFETCH);
    let retrier = Retrier::new(machine.clone(), routes.clone(), RetrierOptions::default());
    let consumer = Consumer::new(routes.within(&machine.layer()), ConsumerOptions::default());
    Ok(Worker::new(broker.subscriber.clone(), subscription, consumer, vec![retrier], guard))
}

/// Sends at [`RATE`], whatever comes back. Answers how many events of the others were published.
async fn load(
    bench: &Bench,
    broker: &Broker,
    aggregates: &mut [EventEnvelope],
    stopwatch: &Stopwatch,
) -> anyhow::Result<usize> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) * u32::try_from(TOGETHER)? / u32::try_from(RATE)?);
    let duration = if bench.smoke { bench.turn } else { bench.turn.max(Duration::from_secs(10)) };
    let (start, mut sent, mut others) = (Instant::now(), 0, 0);
    while start.elapsed() < duration {
        ticks.tick().await;
        let mut batch = Vec::new();
        for _ in 0..TOGETHER {
            let number = if sent % POISON_SHARE == 0 { 0 } else { fastrand::usize(1..AGGREGATES) };
            others += usize::from(number != 0);
            sent += 1;
            let next = &mut aggregates[number];
            next.id = UuidV7Generator.next_id();
            next.sequence += 1;
            batch.push(next.clone());
        }
        publish(broker, &mut batch, stopwatch).await?;
    }
    Ok(others)
}

async fn publish(broker: &Broker, events: &mut [EventEnvelope], stopwatch: &Stopwatch) -> anyhow::Result<()> {
    stopwatch.begin(events);
    for outcome in broker.publisher.publish_batch(events).await {
        outcome?;
    }
    Ok(())
}

/// When events were published, and how long it took until they were handled.
#[derive(Clone, Default)]
struct Stopwatch {
    poison: String,
    under_way: Arc<Mutex<HashMap<Uuid, Instant>>>,
    taken: Arc<Mutex<Vec<f64>>>,
    first: Arc<Notify>,
}

impl Stopwatch {
    fn begin(&self, events: &[EventEnvelope]) {
        let now = Instant::now();
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.extend(events.iter().filter(|event| event.partition_key != self.poison).map(|event| (event.id, now)));
    }

    fn end(&self, event: &EventEnvelope) {
        self.first.notify_one();
        let begun = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&event.id);
        if let Some(begun) = begun {
            let took = begun.elapsed().as_secs_f64() * 1_000.0;
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(took);
        }
    }

    async fn all_taken(&self, count: usize) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner).len();
            if taken == count {
                return Ok(());
            }
            ensure!(start.elapsed() < PATIENCE, "{taken} of {count} events were handled");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn latencies(&self) -> Figures {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

impl Layer for Stopwatch {
    fn wrap(&self, inner: Arc<dyn Invocation>) -> Arc<dyn Invocation> {
        Arc::new(Timed { inner, stopwatch: self.clone() })
    }
}

struct Timed {
    inner: Arc<dyn Invocation>,
    stopwatch: Stopwatch,
}

#[async_trait]
impl Invocation for Timed {
    fn handler(&self) -> &'static str {
        self.inner.handler()
    }

    fn policy(&self) -> FailurePolicy {
        self.inner.policy()
    }

    async fn invoke(&self, event: &Arc<EventEnvelope>, entry: &Entry) -> Result<Handled, InvocationError> {
        let handled = self.inner.invoke(event, entry).await?;
        self.stopwatch.end(event);
        Ok(handled)
    }
}

/// Does nothing, in a transaction; and always fails with the events of one aggregate.
struct Poisonable {
    poison: Option<String>,
}

#[async_trait]
impl EventHandler<ActivityCreated, dyn Repositories> for Poisonable {
    fn name(&self) -> &'static str {
        "poisonable"
    }

    async fn handle(
        &self,
        event: &Received<'_, ActivityCreated>,
        _: &mut Step<'_, dyn Repositories>,
    ) -> Result<(), HandlerError> {
        if self.poison.as_ref() == Some(&event.envelope.partition_key) {
            return Err(HandlerError::retry("poison"));
        }
        Ok(())
    }
}
