//! Handlers are slow, fail, panic, never return, hold their thread and end the process, while the others go on.

use std::time::Duration;

use super::{DRAIN, Setting};
use crate::{
    cast::Cast,
    client::Habits,
    log::Temper,
    schedule::{Component, Draw, Pace, Schedule},
    stage::Stage,
};

/// The activities of a scenario that are not good. One ends the process: recognising more would take long, as each has to do it several times.
fn tempers(deadly: Temper) -> Vec<Temper> {
    let each = [
        (Temper::Slow, 8),
        (Temper::Flaky(1), 5),
        (Temper::Flaky(3), 5),
        (Temper::Poison, 4),
        (Temper::Permanent, 4),
        (Temper::Panic, 4),
        (Temper::Endless, 2),
        (deadly, 1),
    ];
    each.into_iter().flat_map(|(temper, count)| std::iter::repeat_n(temper, count)).collect()
}

/// After a dead letter its aggregate goes on. A handler that holds its thread is ended by the watchdog, together with its process.
pub(super) async fn go_on(setting: Setting) -> Result<(), String> {
    misbehave(setting, Temper::Block, Vec::new()).await
}

/// After a dead letter its aggregate is held. A handler ends its process.
pub(super) async fn are_held(setting: Setting) -> Result<(), String> {
    misbehave(setting, Temper::Abort, vec![("ACTIVELOG_FAULT_HOLD", "1".to_owned())]).await
}

/// With a few kills of workers from outside, which must not be blamed on any event.
async fn misbehave(
    setting: Setting,
    deadly: Temper,
    mut environment: Vec<(&'static str, String)>,
) -> Result<(), String> {
    environment.push(("ACTIVELOG__WORKER__PREFETCH", "64".to_owned()));
    let (folder, database) = setting.database()?;
    let roles = vec![(Component::Api, 1), (Component::Relay, 1), (Component::Worker, 2)];
    let cast = Cast { environment, aborts: true, ..Cast::of(&roles) };
    let mut stage = Stage::set(folder, database, &cast).await?;
    let habits = Habits { tempers: tempers(deadly), pause: 50..200, ..Habits::default() };
    let clients = stage.clients(setting.seed, &habits);
    let pace = Pace { between: 3_000..6_000, down: 0..500, faults: vec![Draw::Kill] };
    let kills = Schedule::draw(setting.seed, Component::Worker, setting.times(2), &pace);
    stage.suffer(&[kills]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    if clients.acknowledged() < 50 {
        return Err(stage.failure("the misbehaving handlers have stopped everybody"));
    }
    stage.conclude(clients, DRAIN).await.map(drop)
}
