use std::time::{Duration, Instant};

use activelog_application::ports::{
    DeadLetterFilter, DeadLetterState, DeadLetters, DeathReason, ParkedFilter, ParkingStore, StorageError,
};
use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::support::Scratch;

/// 100,000 lanes with an event each, and as many dead letters; of three handlers, two names and a thousand subjects.
const FILL: &str = "
    BEGIN;
    WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 100000)
    INSERT INTO parked_lanes (handler, partition_key, due_at) SELECT 'handler-' || (n % 3), 'thing-' || n, 1000000 - n FROM s;
    WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 100000)
    INSERT INTO parked (handler, group_name, parked_at, attempts, first_failed_at, last_failed_at, error, event_id, name, version,
        source, subject, sequence, partition_key, time, content_type, correlation_id, data)
        SELECT 'handler-' || (n % 3), 'group', 1, 3, 1, 1, 'no route to host', randomblob(16),
        CASE WHEN n % 2 = 0 THEN 'thing.happened' ELSE 'thing.changed' END, 1, '/test', 'thing-' || (n % 1000), n,
        'thing-' || n, 1, 'application/json', randomblob(16), randomblob(500) FROM s;
    INSERT INTO dead_letters (place, handler, group_name, state, holds, died_at, changed_at, reason, attempts, first_failed_at,
        last_failed_at, error, event_id, name, version, source, subject, sequence, partition_key, time, content_type,
        correlation_id, data)
        SELECT place + 100000, handler, group_name, 'dead', 0, 1000000, 1000000, 'exhausted', attempts, first_failed_at,
        last_failed_at, error, randomblob(16), name, version, source, subject, sequence, partition_key, time, content_type,
        correlation_id, data FROM parked ORDER BY place;
    COMMIT";

/// What a first page may take.
const PAGE: Duration = Duration::from_millis(100);

/// A machine that is busy with other tests gets several tries.
async fn within<T>(bar: Duration, what: &str, operation: impl AsyncFn() -> Result<T, StorageError>) -> T {
    let mut attempts = 20;
    loop {
        let start = Instant::now();
        let answer = operation().await.expect("an answer");
        let took = start.elapsed();
        if took < bar {
            return answer;
        }
        attempts -= 1;
        assert!(attempts > 0, "{what} takes {took:?}");
    }
}

#[tokio::test]
#[ignore = "a measurement: run it on a quiet machine with `--ignored --nocapture`"]
async fn much_that_failed_is_listed_counted_and_claimed_at_once() {
    let scratch = Scratch::new().await;
    let file = SqliteConnectOptions::new().filename(scratch.folder.path().join("data/activelog.db"));
    let mut filler = SqliteConnection::connect_with(&file).await.expect("it is there");
    sqlx::raw_sql(FILL).execute(&mut filler).await.expect("it is filled");
    let database = &scratch.database;
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
        within(PAGE, what, async || DeadLetters::list(database, filter, None, 50).await).await;
        within(PAGE, what, async || DeadLetters::list(database, filter, Some(40), 50).await).await;
        assert_eq!(within(PAGE, what, async || DeadLetters::count(database, filter).await).await, *count, "{what}");
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
        within(PAGE, what, async || ParkingStore::list(database, filter, None, 50).await).await;
        within(PAGE, what, async || ParkingStore::list(database, filter, Some(99_990), 50).await).await;
    }
    assert_eq!(within(PAGE, "depth", async || ParkingStore::depth(database).await).await.events, 100_000);

    let handlers = ["handler-0", "handler-1", "handler-2"];
    let later: Timestamp = Timestamp::constant(4_102_444_800, 0);
    let lease = Duration::from_secs(60);
    for _ in 0..5 {
        let lanes = within(PAGE, "claim", async || database.claim(&handlers, later, lease, 32).await).await;
        assert_eq!(lanes.len(), 32);
        within(PAGE, "renew", async || database.renew(&lanes, later).await).await;
        within(PAGE, "events", async || database.events(&lanes[0], 64).await).await;
        within(PAGE, "next due", async || database.next_due(&handlers).await).await;
    }
}
