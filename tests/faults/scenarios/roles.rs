//! Roles are killed, frozen and stopped while clients write.

use std::{collections::HashSet, time::Duration};

use uuid::Uuid;

use super::{DRAIN, Setting};
use crate::{
    cast::Cast,
    client::Habits,
    options::Mode,
    schedule::{Component, Draw, Pace, Schedule},
    stage::Stage,
};

/// Every role apart, and two of those that share their work.
const APART: &[(Component, usize)] = &[(Component::Api, 1), (Component::Relay, 2), (Component::Worker, 2)];

/// How long clients go on after the last fault.
const AFTERMATH: Duration = Duration::from_secs(2);

/// Has these components suffer this often, at the same time, and judges.
async fn ordeal(setting: Setting, cast: &Cast, pace: &Pace, times: usize, habits: &Habits) -> Result<(), String> {
    let (folder, database) = setting.database()?;
    let stage = Stage::set(folder, database, cast).await?;
    let clients = stage.clients(setting.seed, habits);
    let mut components: Vec<Component> = cast.roles.iter().map(|(component, _)| *component).collect();
    if setting.postgres && matches!(pace.faults[..], [Draw::Kill]) {
        components.push(Component::Database);
    }
    let schedules: Vec<Schedule> =
        components.into_iter().map(|component| Schedule::draw(setting.seed, component, times, pace)).collect();
    stage.suffer(&schedules).await;
    tokio::time::sleep(AFTERMATH).await;
    stage.conclude(clients, DRAIN).await.map(drop)
}

pub(super) async fn killed(setting: Setting) -> Result<(), String> {
    let pace = Pace { between: 300..2_500, down: 0..3_000, faults: vec![Draw::Kill] };
    ordeal(setting, &Cast::of(APART), &pace, setting.times(6), &Habits::default()).await
}

/// A killed `serve` leaves leases that the next one has to wait for, so some runs are long enough to get them.
pub(super) async fn serve_killed(setting: Setting) -> Result<(), String> {
    let pace = Pace { between: 500..6_500, down: 0..2_000, faults: vec![Draw::Kill] };
    ordeal(setting, &Cast::of(&[(Component::Serve, 1)]), &pace, setting.times(4), &Habits::default()).await
}

pub(super) async fn frozen(setting: Setting) -> Result<(), String> {
    let pace = Pace { between: 500..3_000, down: 0..1, faults: vec![Draw::Freeze] };
    ordeal(setting, &Cast::of(APART), &pace, setting.times(2), &Habits::default()).await
}

pub(super) async fn stopped(setting: Setting) -> Result<(), String> {
    let pace = Pace { between: 500..2_500, down: 0..1_500, faults: vec![Draw::Terminate, Draw::TerminateTwice] };
    ordeal(setting, &Cast::of(APART), &pace, setting.times(4), &Habits::default()).await
}

/// Half of the requests are given up within milliseconds, while the API is killed under them.
pub(super) async fn aborted_requests(setting: Setting) -> Result<(), String> {
    let pace = Pace { between: 2_000..5_000, down: 0..1_000, faults: vec![Draw::Kill] };
    let habits = Habits { aborted: 50, clients: 16, ..Habits::default() };
    let cast = Cast::of(&[(Component::Api, 1), (Component::Relay, 1), (Component::Worker, 1)]);
    ordeal(setting, &cast, &pace, setting.times(3), &habits).await
}

/// After a worker has stopped in order, the first event that the group has not acknowledged in a partition is one that not every handler has taken. One that a handler had
/// taken before that worker was started does not count, not even if all had: it was finished behind one that was not, and comes again behind that one. The stop may come before
/// each handler was asked whether it has it, and a worker acknowledges what it knows to be taken.
pub(super) async fn acknowledged(setting: Setting) -> Result<(), String> {
    const FINISHED: &str = "SELECT j.event_id FROM journal j \
         WHERE j.position = 1 + coalesce((SELECT g.position FROM group_positions g \
             WHERE g.group_name = 'activelog' AND g.partition = j.partition), 0) \
         AND 4 <= (SELECT count(*) FROM inbox i WHERE i.event_id = j.event_id)";
    const BEGUN: &str = "SELECT DISTINCT j.event_id FROM journal j JOIN inbox i ON i.event_id = j.event_id \
         WHERE j.position > coalesce((SELECT g.position FROM group_positions g \
             WHERE g.group_name = 'activelog' AND g.partition = j.partition), 0)";
    let (folder, database) = setting.database()?;
    let cast = Cast::of(&[(Component::Api, 1), (Component::Relay, 1), (Component::Worker, 1)]);
    let mut stage = Stage::set(folder, database, &cast).await?;
    let clients = stage.clients(setting.seed, &Habits::default());
    let mut random = fastrand::Rng::with_seed(setting.seed);
    let mut begun_earlier = HashSet::new();
    for _ in 0..setting.times(3) {
        tokio::time::sleep(Duration::from_millis(random.u64(500..2_500))).await;
        stage.take_down(Component::Worker).await;
        let finished = events(&stage, FINISHED).await?;
        let left = finished.difference(&begun_earlier).count();
        if left > 0 {
            return Err(
                stage.failure(&format!("{left} partitions begin with an event that was finished and not acknowledged"))
            );
        }
        begun_earlier = events(&stage, BEGUN).await?;
        stage.bring_up(Component::Worker).await;
    }
    stage.conclude(clients, DRAIN).await.map(drop)
}

/// The ids that a query names.
async fn events(stage: &Stage, sql: &'static str) -> Result<HashSet<Uuid>, String> {
    let rows = stage.database.rows::<(Uuid,)>(sql).await.map_err(|error| error.to_string())?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// So many kills of every component, at short intervals. There are more of what shares its work, so that somebody always has it; relays get
/// leases that end sooner, and workers take less at once, so that a kill costs less than the time to the next.
pub(super) async fn kills_in_a_row(setting: Setting) -> Result<(), String> {
    let mut cast = Cast::of(&[(Component::Api, 1), (Component::Relay, 3), (Component::Worker, 4)]);
    cast.environment = cheap();
    let pace = Pace { between: 200..800, down: 0..300, faults: vec![Draw::Kill] };
    let habits = Habits { pause: 100..400, ..Habits::default() };
    ordeal(setting, &cast, &pace, setting.times(20), &habits).await
}

pub(super) async fn kills_of_serve(setting: Setting) -> Result<(), String> {
    let mut cast = Cast::of(&[(Component::Serve, 1)]);
    cast.environment = cheap();
    // Most are killed before they have a lease; some have been at work for seconds.
    let pace = Pace { between: 200..4_500, down: 0..300, faults: vec![Draw::Kill] };
    let habits = Habits { pause: 200..600, ..Habits::default() };
    let times = if let Mode::Kills(kills) = setting.mode { kills } else { 20 };
    ordeal(setting, &cast, &pace, times, &habits).await
}

fn cheap() -> Vec<(&'static str, String)> {
    vec![("ACTIVELOG__RELAY__LEASE_TTL", "1s".to_owned()), ("ACTIVELOG__WORKER__PREFETCH", "64".to_owned())]
}
