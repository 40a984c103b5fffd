use std::{sync::Arc, time::Duration};

use activelog_application::ports::{Addressed, ClaimedLane, Intake, ParkingStore, Replays};
use activelog_infrastructure::persistence::postgres::PgDatabase;
use jiff::Timestamp;
use sqlx::{Connection, PgConnection};

use crate::{
    fixture::{begin, bystander, database, event, id},
    support::eventually,
};

const HANDLER: &str = "handler";
const KEY: &str = "key";
/// When everything that is parked here is due.
const LATE: Timestamp = Timestamp::constant(4_102_444_800, 0);

const PATIENCE: Duration = Duration::from_secs(10);

fn addressed() -> Addressed {
    Addressed { handler: HANDLER.into(), group: "group".into(), event: Arc::new(event(KEY)) }
}

async fn park(database: &PgDatabase, addressed: &Addressed) {
    assert!(database.park(addressed, None, Timestamp::UNIX_EPOCH).await.unwrap(), "it is parked");
}

async fn claim(database: &PgDatabase) -> ClaimedLane {
    let lanes = database.claim(&[HANDLER], LATE, Duration::from_secs(60), 9).await.unwrap();
    assert_eq!(lanes.len(), 1);
    lanes.into_iter().next().expect("a lane")
}

/// A lane that is claimed and from which everything was taken.
async fn empty_lane(database: &PgDatabase) -> ClaimedLane {
    park(database, &addressed()).await;
    let lane = claim(database).await;
    let place = database.events(&lane, 9).await.unwrap()[0].place;
    let mut unit = begin(database).await;
    assert!(unit.parking().take(&lane, place).await.unwrap());
    unit.commit().await.unwrap();
    lane
}

/// Waits until a statement of the database waits for a lock.
async fn somebody_waits(observer: &mut PgConnection) {
    let observer = tokio::sync::Mutex::new(observer);
    eventually("a statement waits for a lock", PATIENCE, || async {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&mut **observer.lock().await).await.unwrap();
        (waiting > 0).then_some(())
    })
    .await;
}

/// Who parks behind a lane that is just being removed gets a new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_parked_while_its_lane_is_removed_gets_a_lane() {
    let Some((database, url)) = database().await else { return };
    empty_lane(&database).await;
    let (mut remover, mut observer) = (bystander(&url).await, bystander(&url).await);
    let mut removal = remover.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM parked_lanes FOR UPDATE").execute(&mut *removal).await.unwrap();
    let (parking, late) = (database.clone(), addressed());
    let parked = tokio::spawn({
        let late = late.clone();
        async move { park(&parking, &late).await }
    });
    somebody_waits(&mut observer).await;
    sqlx::query("DELETE FROM parked_lanes").execute(&mut *removal).await.unwrap();
    removal.commit().await.unwrap();
    parked.await.unwrap();
    let lane = claim(&database).await;
    let events = database.events(&lane, 9).await.unwrap();
    assert_eq!(events.iter().map(|parked| &parked.addressed).collect::<Vec<_>>(), [&late]);
}

/// Who ends a lane waits for one that is just being parked behind, and then finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_does_not_end_under_what_is_being_parked() {
    let Some((database, url)) = database().await else { return };
    let lane = empty_lane(&database).await;
    let (mut parker, mut observer) = (bystander(&url).await, bystander(&url).await);
    let mut parking = parker.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM parked_lanes FOR KEY SHARE").execute(&mut *parking).await.unwrap();
    sqlx::query(
        "INSERT INTO parked (handler, group_name, parked_at, event_id, name, version, source, subject, sequence, \
         partition_key, time, content_type, correlation_id, data) \
         VALUES ($1, 'group', now(), $3, 'thing.happened', 1, '/test', 'thing', 1, $2, now(), 'application/json', $3, '{}')",
    )
    .bind(HANDLER)
    .bind(KEY)
    .bind(id())
    .execute(&mut *parking)
    .await
    .unwrap();
    let ending = tokio::spawn({
        let (database, lane) = (database.clone(), lane.clone());
        async move { database.events(&lane, 9).await.unwrap() }
    });
    somebody_waits(&mut observer).await;
    parking.commit().await.unwrap();
    assert_eq!(ending.await.unwrap().len(), 1, "what was being parked");
    assert_eq!(database.events(&lane, 9).await.unwrap().len(), 1, "the lane goes on");
}

/// The claims of a worker are renewed while one of its handlers works for long.
#[tokio::test]
async fn a_renewal_does_not_wait_for_a_handler() {
    let Some((database, _)) = database().await else { return };
    park(&database, &addressed()).await;
    let lane = claim(&database).await;
    let place = database.events(&lane, 9).await.unwrap()[0].place;
    let mut unit = begin(&database).await;
    assert!(unit.parking().take(&lane, place).await.unwrap());
    let renewed = database.renew(std::slice::from_ref(&lane), Timestamp::MAX);
    let renewed = tokio::time::timeout(PATIENCE, renewed).await.expect("it does not wait").unwrap();
    assert_eq!(renewed, [lane], "nobody else can have claimed it");
    unit.rollback().await;
}

/// A replay that waits for a handler at work keeps no other handler from taking events, and its own takes none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_waits_to_begin_is_in_nobodys_way() {
    let Some((database, _)) = database().await else { return };
    let mut at_work = begin(&database).await;
    assert_eq!(at_work.inbox().record(HANDLER, id(), KEY).await.unwrap(), Intake::New);
    let beginning = tokio::spawn({
        let database = database.clone();
        async move { database.begin(HANDLER, None, None).await }
    });
    eventually("the replay is there", PATIENCE, || async {
        (!Replays::list(&database).await.unwrap().is_empty()).then_some(())
    })
    .await;
    for (handler, expected) in [("another", Intake::New), (HANDLER, Intake::Behind)] {
        let mut unit = begin(&database).await;
        let intake = tokio::time::timeout(PATIENCE, async { unit.inbox().record(handler, id(), KEY).await });
        assert_eq!(intake.await.expect("it does not wait").unwrap(), expected, "{handler}");
        unit.commit().await.unwrap();
    }
    assert!(!beginning.is_finished(), "the handler is still at work");
    at_work.commit().await.unwrap();
    tokio::time::timeout(PATIENCE, beginning).await.expect("it begins").unwrap().unwrap();
}
