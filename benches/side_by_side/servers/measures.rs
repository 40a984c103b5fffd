use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use activelog_application::ports::{Broker, EventPattern, Subscription};
use activelog_domain::event::EventEnvelope;
use anyhow::{Context, anyhow, ensure};
use serde_json::json;

use tokio::{sync::Notify, task::JoinSet, time::MissedTickBehavior};
use uuid::Uuid;

use super::{Bare, Pair, Taken};
use crate::{bench::Bench, figures::Figures, figures::whole, report::Row, seed};

/// How many events are published together.
const BATCH: usize = 1_000;

/// How many are published one after the other, and how many of them in one turn.
const SINGLE: usize = 2_000;
const FEW: usize = 50;

/// How many are unsettled at most.
const PREFETCH: usize = 256;

/// How many a second go through from end to end.
const PER_SECOND: u32 = 2_000;

/// How long a turn of that is. There are many short ones, as single ones differ by a factor of five.
const THROUGH: Duration = Duration::from_secs(2);

/// The same for a server that is saturated by that: both sides measure its queue then.
const PER_SECOND_LESS: u32 = 1_000;

/// What both sides did in one turn.
#[derive(Default)]
struct Turns {
    pipelined: (Figures, Figures),
    single: (Figures, Figures),
    consumed: (Figures, Figures),
    /// Milliseconds of each turn, and the same at the lower rate.
    through: [Vec<Figures>; 2],
    through_less: [Vec<Figures>; 2],
}

/// When events were taken. How long it takes to join a group is not what is measured.
#[derive(Default)]
struct Taking(Mutex<Option<(Instant, Instant, u32)>>);

impl Taking {
    fn note(&self) {
        let (now, mut taken) = (Instant::now(), self.0.lock().unwrap_or_else(PoisonError::into_inner));
        *taken = Some(taken.map_or((now, now, 0), |(first, _, count)| (first, now, count + 1)));
    }

    /// Events per second, from the first to the last.
    fn rate(&self) -> f64 {
        let taken = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.map_or(0.0, |(first, last, count)| f64::from(count) / (last - first).as_secs_f64())
    }
}

/// All lines of a broker.
pub(super) async fn all(bench: &Bench, name: &'static str, pair: &Pair) -> anyhow::Result<Vec<Row>> {
    // Twenty of each side in a round, unless turns are to be longer.
    let through_turns = if bench.smoke { 1 } else { 4 * usize::try_from(bench.turn.as_secs())? };
    let (events, less) = (seed::events(bench.size(pair.events()))?, pair.is_saturated_early());
    let mut turns = Turns::default();
    for round in 0..bench.rounds {
        let ours = pair.adapter(&format!("ours{round}")).await?;
        let bare = pair.bare(&format!("bare{round}")).await?;
        let publish = async |batch: &[EventEnvelope]| publish_all(&ours, batch).await;
        let rates = alternately(&events, BATCH, publish, async |batch| bare.publish_all(batch).await).await?;
        turns.pipelined.0.push(rates.0);
        turns.pipelined.1.push(rates.1);
        let (taking, bare_taking) = <(Taking, Taking)>::default();
        // Each goes first in turn: a server is slower at first, with what was just published still to be written.
        for side in [round % 2, (round + 1) % 2] {
            if side == 0 {
                consume(&ours, events.len(), &|_| taking.note()).await?;
            } else {
                bare.consume(events.len(), &|_| bare_taking.note()).await?;
            }
        }
        turns.consumed.0.push(taking.rate());
        turns.consumed.1.push(bare_taking.rate());
        let publish = async |few: &[EventEnvelope]| publish_each(&ours, few).await;
        let bare_publish = async |few: &[EventEnvelope]| {
            for event in few {
                bare.publish(event).await?;
            }
            Ok(())
        };
        let rates = alternately(&events[..bench.size(SINGLE)], FEW, publish, bare_publish).await?;
        turns.single.0.push(rates.0);
        turns.single.1.push(rates.1);
        close(ours).await?;
        drop(bare);

        let sides = [
            Arc::new(Side::Adapter(pair.adapter(&format!("ours{round}e")).await?)),
            Arc::new(Side::Bare(pair.bare(&format!("bare{round}e")).await?)),
        ];
        for turn in 0..through_turns {
            // As above.
            for of in [turn % 2, (turn + 1) % 2] {
                turns.through[of].push(through(PER_SECOND, &sides[of]).await?);
                if less {
                    turns.through_less[of].push(through(PER_SECOND_LESS, &sides[of]).await?);
                }
            }
        }
        for side in sides {
            if let Some(Side::Adapter(broker)) = Arc::into_inner(side) {
                close(broker).await?;
            }
        }
    }
    let mut rows = vec![
        rates(format!("{name}: publish, pipelined"), &turns.pipelined, "≥ 0.9", 0.9),
        rates(format!("{name}: publish, one at a time"), &turns.single, "≥ 0.95", 0.95),
        rates(format!("{name}: consume"), &turns.consumed, "≥ 0.8", 0.8),
        latencies(name, PER_SECOND, &turns.through),
    ];
    rows.extend(less.then(|| latencies(name, PER_SECOND_LESS, &turns.through_less)));
    Ok(rows)
}

/// Events per second of both sides, which take turns of `size` events: what else the machine and its disk do meanwhile meets both alike.
async fn alternately(
    events: &[EventEnvelope],
    size: usize,
    ours: impl AsyncFn(&[EventEnvelope]) -> anyhow::Result<()>,
    theirs: impl AsyncFn(&[EventEnvelope]) -> anyhow::Result<()>,
) -> anyhow::Result<(f64, f64)> {
    let mut took = [Duration::ZERO; 2];
    for (turn, batch) in events.chunks(size).enumerate() {
        // Each is as often the second.
        for side in [turn % 2, (turn + 1) % 2] {
            let start = Instant::now();
            if side == 0 {
                ours(batch).await?
            } else {
                theirs(batch).await?
            }
            took[side] += start.elapsed();
        }
    }
    let rate = |took: Duration| events.len() as f64 / took.as_secs_f64();
    Ok((rate(took[0]), rate(took[1])))
}

fn rates(name: String, (ours, theirs): &(Figures, Figures), bar: &'static str, least: f64) -> Row {
    let mut row = Row::new(name).rates(ours.median(), theirs.median());
    row.bar = bar;
    row.holds = row.ratio.map(|ratio| ratio >= least);
    row.note = format!("activelog {}/s, the bare client {}/s", ours.range(), theirs.range());
    row.figures = json!({ "activelog": ours, "raw": theirs });
    row
}

/// The median of the turns: a hiccup of the disk spoils the turn that it comes in, and not the figure.
fn latencies(name: &str, per_second: u32, turns: &[Vec<Figures>; 2]) -> Row {
    let of_turns = |at: f64| -> (Figures, Figures) {
        let side = |turns: &[Figures]| turns.iter().map(|turn| turn.quantile(at)).collect();
        (side(&turns[0]), side(&turns[1]))
    };
    let (half, most) = (of_turns(0.5), of_turns(0.99));
    let holds = |(ours, theirs): &(Figures, Figures)| {
        let (ours, theirs) = (ours.median(), theirs.median());
        ours <= theirs + 1.0 && ours <= theirs * 1.5
    };
    let told = |half: &Figures, most: &Figures| format!("p50 {:.1} ms, p99 {:.1} ms", half.median(), most.median());
    let spread = |most: &Figures| format!("{:.1}–{:.1} ms", most.quantile(0.25), most.quantile(0.75));
    let per_second = whole(f64::from(per_second));
    let mut row = Row::new(format!("{name}: end to end at {per_second}/s"));
    (row.activelog, row.raw) = (told(&half.0, &most.0), told(&half.1, &most.1));
    row.ratio = Some(half.0.median() / half.1.median());
    row.bar = "≤ + 1 ms and ≤ 1.5 ×";
    row.holds = Some(holds(&half) && holds(&most));
    row.note = format!(
        "open loop, medians of {} turns each; p99 of the half of the turns in the middle {}, of the bare client {}; the ratio is of p50",
        half.0.count(),
        spread(&most.0),
        spread(&most.1)
    );
    row.figures = json!({ "p50_ms": half.0, "p99_ms": most.0, "raw_p50_ms": half.1, "raw_p99_ms": most.1 });
    row
}

async fn publish_all(broker: &Broker, events: &[EventEnvelope]) -> anyhow::Result<()> {
    for batch in events.chunks(BATCH) {
        for outcome in broker.publisher.publish_batch(batch).await {
            outcome?;
        }
    }
    Ok(())
}

async fn publish_each(broker: &Broker, events: &[EventEnvelope]) -> anyhow::Result<()> {
    for event in events {
        broker.publisher.publish(event).await?;
    }
    Ok(())
}

/// How activelog's side takes events.
pub(super) fn subscription() -> Subscription {
    Subscription::new("bench", vec![EventPattern::all()]).prefetch(PREFETCH)
}

async fn consume(broker: &Broker, count: usize, taken: &Taken<'_>) -> anyhow::Result<()> {
    let mut stream = broker.subscriber.subscribe(&subscription()).await?;
    let mut left = count;
    while left > 0 {
        for delivery in stream.next().await.context("the stream ended early")? {
            taken(delivery.event.id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
            delivery.ack().await?;
            ensure!(left > 0, "more events came than were published");
            left -= 1;
        }
    }
    Ok(stream.close().await?)
}

async fn close(broker: Broker) -> anyhow::Result<()> {
    broker.subscriber.close().await?;
    Ok(broker.publisher.close().await?)
}

/// One of the two.
enum Side {
    Adapter(Broker),
    Bare(Arc<dyn Bare>),
}

impl Side {
    async fn publish(&self, event: &EventEnvelope) -> anyhow::Result<()> {
        match self {
            Self::Adapter(broker) => Ok(broker.publisher.publish(event).await?),
            Self::Bare(bare) => bare.publish(event).await,
        }
    }

    async fn consume(&self, count: usize, taken: &Taken<'_>) -> anyhow::Result<()> {
        match self {
            Self::Adapter(broker) => consume(broker, count, taken).await,
            Self::Bare(bare) => bare.consume(count, taken).await,
        }
    }
}

/// Milliseconds from when each event was due to be published until it was taken, at a steady rate whether or not answers come.
async fn through(per_second: u32, side: &Arc<Side>) -> anyhow::Result<Figures> {
    let count = usize::try_from(per_second)? * usize::try_from(THROUGH.as_secs())?;
    // The first tenth is not counted: both sides are still getting ready. The very first goes before the others, until it was taken.
    let (mut events, ready) = (seed::events(count + 1)?, count / 10);
    let first = events.swap_remove(0);
    let joined = Arc::new(Notify::new());
    let sent: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let times: Arc<Mutex<Vec<f64>>> = Arc::default();
    let mut tasks = JoinSet::new();
    let (consumer, due, noted, take) = (Arc::clone(side), Arc::clone(&sent), Arc::clone(&times), Arc::clone(&joined));
    tasks.spawn(async move {
        let taken = |id: &str| {
            let now = Instant::now();
            take.notify_one();
            if let Some(at) = due.lock().unwrap_or_else(PoisonError::into_inner).remove(id) {
                noted.lock().unwrap_or_else(PoisonError::into_inner).push((now - at).as_secs_f64() * 1_000.0);
            }
        };
        consumer.consume(count + 1, &taken).await
    });
    side.publish(&first).await?;
    tokio::select! {
        () = joined.notified() => {}
        Some(ended) = tasks.join_next() => return ended?.and_then(|()| Err(anyhow!("the consumer ended early"))),
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for (number, event) in events.into_iter().enumerate() {
        let at = ticks.tick().await.into_std();
        if number >= ready {
            sent.lock().unwrap_or_else(PoisonError::into_inner).insert(event.id.to_string(), at);
        }
        let side = Arc::clone(side);
        tasks.spawn(async move { side.publish(&event).await });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let times = std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(times.into_iter().collect())
}
