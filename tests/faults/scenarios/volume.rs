//! Many events: all the way through, and behind a consumer that is slow.

use std::time::Duration;

use tokio::time::Instant;

use super::{DRAIN, Setting};
use crate::{
    broker::Broker,
    bulk,
    cast::Cast,
    client::{Clients, Habits},
    evidence,
    log::{Life, Temper},
    options::Mode,
    schedule::Component,
    stage::Stage,
    tally::TALLY,
};

/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(200);

/// How much a worker's memory may grow once it is at work, in KiB.
const FLAT: u64 = 24 * 1_024;

/// Everything that is created comes to its end.
pub(super) async fn all_the_way(setting: Setting) -> Result<(), String> {
    let count = if let Mode::Volume(count) = setting.mode { count } else { setting.times(2_000) };
    let broker = Broker::start(setting.kind()?).await?;
    let (folder, database) = setting.database()?;
    let cast = Cast::of(&[(Component::Api, 1), (Component::Relay, 1), (Component::Worker, 2)]).on(broker);
    let mut stage = Stage::set(folder, database, &cast).await?;
    let begin = Instant::now();
    let lives = bulk::create(stage.base(), &format!("{:x}", setting.seed), count, Temper::Good).await?;
    let created = begin.elapsed();
    if let Err(why) = evidence::drained(&stage.database, true, DRAIN).await {
        return Err(stage.failure(&why));
    }
    let (drained, rate) = (begin.elapsed(), |time: Duration| count as f64 / time.as_secs_f64());
    TALLY.note(
        stage.name(),
        format!(
            "{count} activities created in {created:.0?} ({:.0}/s), all handled after {drained:.0?} ({:.0}/s)",
            rate(created),
            rate(drained)
        ),
    );
    conclude(stage, lives).await
}

/// Handlers take long, and far more waits than a worker may hold: its memory stays as it is.
pub(super) async fn slow_consumer(setting: Setting) -> Result<(), String> {
    let broker = Broker::start(setting.kind()?).await?;
    let (folder, database) = setting.database()?;
    let mut cast = Cast::of(&[(Component::Api, 1), (Component::Relay, 1), (Component::Worker, 1)]).on(broker);
    cast.environment =
        vec![("ACTIVELOG__WORKER__CONCURRENCY", "16".to_owned()), ("ACTIVELOG__WORKER__PREFETCH", "64".to_owned())];
    let mut stage = Stage::set(folder, database, &cast).await?;
    stage.take_down(Component::Worker).await;
    let count = setting.times(1_200);
    let lives = bulk::create(stage.base(), &format!("{:x}", setting.seed), count, Temper::Slow).await?;
    stage.bring_up(Component::Worker).await;
    let (outcome, memory) = drain_and_watch(&stage).await;
    if let Err(why) = outcome {
        return Err(stage.failure(&why));
    }
    let (early, late) = memory.split_at(memory.len() / 3);
    let highest = |part: &[u64]| part.iter().copied().max().unwrap_or_default();
    let told = format!("a worker with a backlog of {count}: {} KiB, later {} KiB", highest(early), highest(late));
    TALLY.note(stage.name(), told.clone());
    if early.is_empty() || highest(late) > highest(early) + FLAT {
        return Err(stage.failure(&told));
    }
    conclude(stage, lives).await
}

async fn conclude(stage: Stage, lives: Vec<Life>) -> Result<(), String> {
    let mut clients = Clients::start(stage.base(), 0, &Habits { clients: 0, ..Habits::default() });
    clients.add(lives);
    stage.conclude(clients, DRAIN).await.map(drop)
}

/// Waits until everything is handled. The outcome, and the workers' memory meanwhile, in KiB.
async fn drain_and_watch(stage: &Stage) -> (Result<(), String>, Vec<u64>) {
    let mut memory = Vec::new();
    let mut drained = std::pin::pin!(evidence::drained(&stage.database, true, DRAIN));
    loop {
        tokio::select! {
            outcome = &mut drained => return (outcome, memory),
            () = tokio::time::sleep(SAMPLE) => memory.extend(stage.memory(Component::Worker).await),
        }
    }
}
