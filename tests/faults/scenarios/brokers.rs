//! Brokers that are servers, and what carries events there and back, are hit while clients write.

use std::time::Duration;

use tokio::time::Instant;

use super::{DRAIN, Setting};
use crate::{
    broker::Broker,
    cast::Cast,
    client::Habits,
    evidence,
    options::Mode,
    schedule::{Component, Draw, Pace, Schedule},
    stage::Stage,
    support::Kind,
    tally::TALLY,
};

/// Two relays, and workers that share the load.
const APART: &[(Component, usize)] = &[(Component::Api, 1), (Component::Relay, 2), (Component::Worker, 2)];

/// How long it may take until events flow for the first time.
const BEGUN: Duration = Duration::from_secs(30);

/// Has all of it happen at the same time, and judges.
async fn ordeal(setting: Setting, cast: Cast, schedules: &[Schedule], habits: &Habits) -> Result<(), String> {
    let (folder, database) = setting.database()?;
    let stage = Stage::set(folder, database, &cast).await?;
    let clients = stage.clients(setting.seed, habits);
    // A RabbitMQ that is killed while it makes a queue may be left with one that it can neither use nor mend: `docs/brokers.md`. Nothing is in it by then, which
    // `rabbitmq a_server_killed_right_after_a_group_began_still_has_its_events` is for; but somebody has to delete it.
    if setting.kind()? == Kind::RabbitMq && evidence::first_after_now(&stage.database, BEGUN).await.is_none() {
        return Err(format!("nothing was delivered within {BEGUN:?} of the start"));
    }
    stage.suffer(schedules).await;
    stage.conclude(clients, DRAIN).await.map(drop)
}

/// The server is killed and freezes, workers and relays are killed, and the network between them resets, cuts, delays, keeps silent and forgets.
pub(super) async fn everything_happens(setting: Setting) -> Result<(), String> {
    let is_long = matches!(setting.mode, Mode::Long(_));
    let (frozen, silent, down) = if is_long { (30, 20, 500..60_000) } else { (7, 5, 2_900..3_100) };
    let broker = Broker::behind_network(setting.kind()?, setting.seed).await?;
    let draw = |component, times, faults: &[Draw], between: std::ops::Range<u64>, down: std::ops::Range<u64>| {
        let pace = Pace { between, down, faults: faults.to_vec() };
        Schedule::draw(setting.seed, component, setting.times(times), &pace)
    };
    let schedules = [
        draw(Component::Broker, 2, &[Draw::Kill], 2_000..4_000, down).then(draw(
            Component::Broker,
            1,
            &[Draw::FreezeUpTo(frozen)],
            500..2_000,
            0..1,
        )),
        draw(
            Component::Network,
            6,
            &[Draw::Reset, Draw::Cut, Draw::SilenceUpTo(silent), Draw::Delay, Draw::HalfOpen],
            500..3_000,
            0..1,
        ),
        draw(Component::Worker, 4, &[Draw::Kill], 2_000..6_000, 0..2_000),
        draw(Component::Relay, 3, &[Draw::Kill], 3_000..7_000, 0..2_000),
    ];
    let habits = Habits { pause: 150..500, ..Habits::default() };
    ordeal(setting, Cast::of(APART).on(broker), &schedules, &habits).await
}

/// So many kills of the server and of workers, the next as soon as the one before has been got over; and some of relays.
pub(super) async fn kills_in_a_row(setting: Setting) -> Result<(), String> {
    let kind = setting.kind()?;
    let broker = Broker::start(kind).await?;
    let roles = [(Component::Api, 1), (Component::Relay, 2), (Component::Worker, 3)];
    let cast = Cast { times_recovery: true, is_named: true, ..Cast::of(&roles).on(broker) };
    // As long as it takes the server to start.
    let cycle = match kind {
        Kind::Redis | Kind::Nats => 1_000..3_000,
        Kind::RabbitMq | Kind::Kafka => 4_000..10_000,
    };
    let kills = |component, times, between| {
        let pace = Pace { between, down: 0..500, faults: vec![Draw::Kill] };
        Schedule::draw(setting.seed, component, times, &pace)
    };
    let times = setting.times(20);
    let schedules = [
        kills(Component::Broker, times, 200..1_500),
        kills(Component::Worker, times, cycle.clone()),
        kills(Component::Relay, times / 5, 4 * cycle.start..4 * cycle.end),
    ];
    ordeal(setting, cast, &schedules, &Habits { clients: 4, pause: 200..700, ..Habits::default() }).await
}

/// The longest that a group may take to notice that its streams were deleted, and some more.
const NOTICED: Duration = Duration::from_secs(5);

/// All that is kept on the broker is deleted, while workers read and clients write: once every event on it has been handled, for what is deleted before is gone.
pub(super) async fn all_is_deleted(setting: Setting) -> Result<(), String> {
    let broker = Broker::start(setting.kind()?).await?;
    let (folder, database) = setting.database()?;
    let mut stage = Stage::set(folder, database, &Cast::of(APART).on(broker.clone())).await?;
    let clients = stage.clients(setting.seed, &Habits { pause: 150..500, ..Habits::default() });
    if evidence::first_after_now(&stage.database, DRAIN).await.is_none() {
        return Err(stage.failure("nothing is handled"));
    }
    for _ in 0..setting.times(1) {
        stage.take_down(Component::Relay).await;
        if let Err(why) = evidence::all_published_handled(&stage.database, DRAIN).await {
            return Err(stage.failure(&why));
        }
        broker.delete_all().await?;
        // With these, what is published before members have noticed may be hidden behind what they had read: `docs/guarantees.md`, "What is not promised".
        if matches!(setting.kind()?, Kind::Redis | Kind::Kafka) {
            tokio::time::sleep(NOTICED).await;
        }
        let deleted = Instant::now();
        stage.bring_up(Component::Relay).await;
        if evidence::first_after_now(&stage.database, DRAIN).await.is_none() {
            return Err(stage.failure("nothing is handled since all was deleted on the broker"));
        }
        TALLY.time(stage.name(), "published anew to delivery", deleted.elapsed());
    }
    stage.conclude(clients, DRAIN).await.map(drop)
}

/// Workers come and go, in order and not, so that their group has to be shared anew again and again.
pub(super) async fn workers_come_and_go(setting: Setting) -> Result<(), String> {
    let broker = Broker::start(setting.kind()?).await?;
    let cast = Cast::of(&[(Component::Api, 1), (Component::Relay, 1), (Component::Worker, 3)]).on(broker);
    let pace = Pace {
        between: 4_500..5_500,
        down: 500..2_500,
        faults: vec![Draw::Terminate, Draw::Kill, Draw::TerminateTwice, Draw::Terminate],
    };
    let comings = Schedule::draw(setting.seed, Component::Worker, setting.times(5), &pace);
    ordeal(setting, cast, &[comings], &Habits { pause: 100..400, ..Habits::default() }).await
}
