use std::time::{Duration, Instant};

use activelog_application::ports::{
    DeadLetterFilter, DeadLetterState, DeadLetters, DeathReason, Intake, ParkedFilter, ParkingStore, StorageError,
};
use activelog_infrastructure::persistence::postgres::PgDatabase;
use jiff::Timestamp;

use crate::fixture::{begin, bystander, database, id};

/// 100,000 lanes with an event each, and as many dead letters; of three handlers, two names and a thousand subjects.
const FILL: &str = "
    INSERT INTO parked_lanes (handler, partition_key, due_at)
        SELECT 'handler-' || n % 3, 'thing-' || n, now() - n * interval '1 second' FROM generate_series(1, 100000) AS n;
    INSERT INTO parked (handler, group_name, parked_at, attempts, first_failed_at, last_failed_at, error, event_id, name, version,
        source, subject, sequence, partition_key, time, content_type, correlation_id, data)
        SELECT 'handler-' || n % 3, 'group', now(), 3, now(), now(), 'no route to host', gen_random_uuid(),
        CASE WHEN n % 2 = 0 THEN 'thing.happened' ELSE 'thing.changed' END, 1, '/test', 'thing-' || n % 1000, n,
        'thing-' || n, now(), 'application/json', gen_random_uuid(), convert_to(repeat('x', 500), 'UTF8')
        FROM generate_series(1, 100000) AS n;
    INSERT INTO dead_letters (place, handler, group_name, state, holds, died_at, changed_at, reason, attempts, first_failed_at,
        last_failed_at, error, event_id, name, version, source, subject, sequence, partition_key, time, content_type,
        correlation_id, data)
        SELECT place + 100000, handler, group_name, 'dead', false, now(), now(), 'exhausted', attempts, first_failed_at,
        last_failed_at, error, gen_random_uuid(), name, version, source, subject, sequence, partition_key, time, content_type,
        correlation_id, data FROM parked ORDER BY place";

const LATER: Timestamp = Timestamp::constant(4_102_444_800, 0);

/// What a first page may take.
const PAGE: Duration = Duration::from_millis(100);

/// What a statement may take that every event needs.
const PROBE: Duration = Duration::from_millis(10);

/// A machine that is busy with other tests gets several tries.
async fn within<T>(bar: Duration, what: &str, operation: impl AsyncFn() -> Result<T, StorageError>) -> T {
    let mut attempts = 20;
    loop {
        let start = Instant::now();
        let answer = operation().await.unwrap();
        let took = start.elapsed();
        if took < bar {
            return answer;
        }
        attempts -= 1;
        assert!(attempts > 0, "{what} takes {took:?}");
    }
}

async fn take_in(database: &PgDatabase) -> Result<Intake, StorageError> {
    let mut unit = begin(database).await;
    let intake = unit.inbox().record("handler-1", id(), "thing-1").await;
    unit.rollback().await;
    intake
}

/// Plans that were made while nothing had failed do not make everybody slow when much does, before the server has looked at the tables.
#[tokio::test]
#[ignore = "a measurement: run it on a quiet machine with `cargo test --test postgres much_that -- --ignored --nocapture`"]
async fn much_that_failed_is_listed_counted_claimed_and_passed_at_once() {
    let Some((database, url)) = database().await else { return };
    let mut filler = bystander(&url).await;
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut filler).await.unwrap();
    for _ in 0..10 {
        assert_eq!(take_in(&database).await.unwrap(), Intake::New);
        assert!(ParkingStore::list(&database, &ParkedFilter::default(), None, 50).await.unwrap().items.is_empty());
        assert!(database.claim(&["handler-1"], LATER, Duration::from_secs(60), 32).await.unwrap().is_empty());
    }
    sqlx::raw_sql(FILL).execute(&mut filler).await.unwrap();
    let taken = within(PROBE, "taking an event", async || take_in(&database).await).await;
    assert_eq!(taken, Intake::Behind, "its lane is there");
    let some = |text: &str| Some(text.to_owned());

    let all = DeadLetterFilter::default;
    let filters = [
        ("all", all(), 100_000),
        ("a handler's", DeadLetterFilter { handler: some("handler-1"), ..all() }, 33_334),
        ("nobody's", DeadLetterFilter { handler: some("nobody"), ..all() }, 0),
        ("a name's", DeadLetterFilter { event: some("thing.changed"), ..all() }, 50_000),
        ("a subject's", DeadLetterFilter { subject: some("thing-7"), ..all() }, 100),
        ("those that crashed", DeadLetterFilter { reason: Some(DeathReason::Crashed), ..all() }, 0),
        ("the dead", DeadLetterFilter { state: Some(DeadLetterState::Dead), ..all() }, 100_000),
        ("the discarded", DeadLetterFilter { state: Some(DeadLetterState::Discarded), ..all() }, 0),
        ("yesterday's", DeadLetterFilter { to: Some(Timestamp::UNIX_EPOCH), ..all() }, 0),
        (
            "those with everything",
            DeadLetterFilter {
                handler: some("handler-1"),
                event: some("thing.changed"),
                reason: Some(DeathReason::Exhausted),
                state: Some(DeadLetterState::Discarded),
                from: Some(Timestamp::UNIX_EPOCH),
                ..all()
            },
            0,
        ),
    ];
    for (what, filter, count) in &filters {
        within(PAGE, what, async || DeadLetters::list(&database, filter, None, 50).await).await;
        within(PAGE, what, async || DeadLetters::list(&database, filter, Some(40), 50).await).await;
        assert_eq!(within(PAGE, what, async || DeadLetters::count(&database, filter).await).await, *count, "{what}");
    }

    let all = ParkedFilter::default;
    let filters = [
        ("all parked", all()),
        ("a handler's parked", ParkedFilter { handler: some("handler-1"), ..all() }),
        ("nobody's parked", ParkedFilter { handler: some("nobody"), ..all() }),
        ("a name's parked", ParkedFilter { event: some("nothing"), ..all() }),
        ("a subject's parked", ParkedFilter { subject: some("thing-7"), ..all() }),
    ];
    for (what, filter) in &filters {
        within(PAGE, what, async || ParkingStore::list(&database, filter, None, 50).await).await;
        within(PAGE, what, async || ParkingStore::list(&database, filter, Some(99_990), 50).await).await;
    }
    assert_eq!(within(PAGE, "depth", async || ParkingStore::depth(&database).await).await.events, 100_000);

    let handlers = ["handler-0", "handler-1", "handler-2"];
    let lease = Duration::from_secs(60);
    for _ in 0..5 {
        let lanes = within(PAGE, "claim", async || database.claim(&handlers, LATER, lease, 32).await).await;
        assert_eq!(lanes.len(), 32);
        within(PAGE, "renew", async || database.renew(&lanes, LATER).await).await;
        within(PAGE, "events", async || database.events(&lanes[0], 64).await).await;
        within(PAGE, "next due", async || database.next_due(&handlers).await).await;
    }
}
