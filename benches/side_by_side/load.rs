use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::bail;
use tokio::{sync::mpsc, task::JoinSet};
use uuid::Uuid;

use crate::connection::Connection;

/// What a load found.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How many were answered 201.
    pub(crate) created: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Milliseconds from request to answer.
    pub(crate) latencies: Vec<f64>,
    /// How many were answered otherwise or not at all, and how the first of them was.
    failed: u64,
    failure: Option<String>,
}

impl Outcome {
    /// Answers 201 per second.
    pub(crate) fn rate(&self) -> f64 {
        self.created as f64 / self.elapsed.as_secs_f64()
    }

    fn fail(&mut self, reason: impl ToString) {
        self.failed += 1;
        self.failure.get_or_insert_with(|| reason.to_string());
    }

    fn add(&mut self, other: Self) {
        self.created += other.created;
        self.latencies.extend(other.latencies);
        self.failed += other.failed;
        self.failure = self.failure.take().or(other.failure);
    }

    /// Makes one request, due at `since`. Answers its user if it was answered 201; fails when the connection is of no more use.
    async fn request(&mut self, connection: &mut Connection, since: Instant) -> Result<Option<Uuid>, ()> {
        match connection.create().await {
            Ok(Ok(user)) => {
                self.created += 1;
                self.latencies.push(since.elapsed().as_secs_f64() * 1_000.0);
                Ok(Some(user))
            }
            Ok(Err(answer)) => {
                self.fail(answer);
                Ok(None)
            }
            Err(error) => {
                self.fail(error);
                Err(())
            }
        }
    }
}

async fn open_all(address: SocketAddr, connections: usize) -> anyhow::Result<Vec<Connection>> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    Ok(open)
}

/// Adds up what the connections found; fails if anything did.
async fn total(mut tasks: JoinSet<Outcome>, start: Instant) -> anyhow::Result<Outcome> {
    let mut total = Outcome::default();
    while let Some(outcome) = tasks.join_next().await {
        total.add(outcome?);
    }
    total.elapsed = start.elapsed();
    match &total.failure {
        Some(first) => bail!("{} requests failed, {} succeeded; the first: {first}", total.failed, total.created),
        None => Ok(total),
    }
}

/// A closed loop: each connection sends its next request when the last was answered.
pub(crate) async fn closed(address: SocketAddr, connections: usize, duration: Duration) -> anyhow::Result<Outcome> {
    let open = open_all(address, connections).await?;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut connection in open {
        tasks.spawn(async move {
            let mut outcome = Outcome::default();
            while start.elapsed() < duration {
                if outcome.request(&mut connection, Instant::now()).await.is_err() {
                    break;
                }
            }
            outcome
        });
    }
    total(tasks, start).await
}

/// An activity that was answered with 201, and when.
pub(crate) type Created = (Uuid, Instant);

/// An open loop: requests are due at a fixed rate, whatever becomes of those before. Every `every`th is told to `samples`.
/// Latencies count from when a request was due.
pub(crate) async fn open(
    address: SocketAddr,
    connections: usize,
    duration: Duration,
    rate: f64,
    every: u64,
    samples: mpsc::UnboundedSender<Created>,
) -> anyhow::Result<Outcome> {
    let open = open_all(address, connections).await?;
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut connection in open {
        let (next, samples) = (next.clone(), samples.clone());
        tasks.spawn(async move {
            let mut outcome = Outcome::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let due = Duration::from_secs_f64(number as f64 / rate);
                if due >= duration {
                    return outcome;
                }
                tokio::time::sleep_until((start + due).into()).await;
                match outcome.request(&mut connection, start + due).await {
                    Ok(Some(user)) if number % every == 0 => {
                        // Nobody listens once sampling has failed, which is told there.
                        let _ = samples.send((user, Instant::now()));
                    }
                    Ok(_) => {}
                    Err(()) => return outcome,
                }
            }
        });
    }
    drop(samples);
    total(tasks, start).await
}
