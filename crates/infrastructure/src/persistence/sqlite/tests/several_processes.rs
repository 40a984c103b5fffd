use std::time::Duration;

use activelog_application::{
    activity::ports::{Queries, Repositories},
    ports::{StorageErrorKind, UnitOfWorkFactory},
};
use activelog_domain::user::UserId;
use tokio::time::Instant;

use super::support::{OPTIONS, Scratch, begin, create, new_id};
use crate::persistence::sqlite::SqliteDatabase;

/// Creates until told to stop; answers how many.
async fn keep_creating(database: SqliteDatabase, user: UserId, until: Instant) -> i64 {
    let mut created = 0;
    while Instant::now() < until {
        let mut unit = begin(&database).await;
        create(&mut *unit, user).await.expect("creates");
        unit.commit().await.expect("commits");
        created += 1;
    }
    created
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_process_is_not_starved_by_a_busy_one() {
    let scratch = Scratch::new().await;
    let quiet = scratch.again(|_| {}).await;
    let (busy_user, quiet_user) = (UserId(new_id()), UserId(new_id()));
    let until = Instant::now() + Duration::from_secs(1);
    let busy: Vec<_> =
        (0..32).map(|_| tokio::spawn(keep_creating(scratch.database.clone(), busy_user, until))).collect();
    let by_quiet = keep_creating(quiet.clone(), quiet_user, until).await;
    let mut by_busy = 0;
    for task in busy {
        by_busy += task.await.expect("no panic");
    }
    assert!(by_quiet >= 5 && by_busy >= 32, "{by_quiet} beside {by_busy}");
    let totals = async |user| quiet.totals(user).await.expect("reads").map_or(0, |figures| figures.activities);
    assert_eq!((totals(busy_user).await, totals(quiet_user).await), (by_busy, by_quiet));
}

#[tokio::test]
async fn the_write_lock_of_another_process_is_waited_for_within_limits() {
    let scratch = Scratch::new().await;
    let hasty = scratch.again(|options| options.acquire_timeout = Duration::from_millis(50)).await;
    let patient = scratch.again(|_| {}).await;
    let mut held = scratch.begin().await;
    create(&mut *held, UserId(new_id())).await.expect("creates");

    let refused = UnitOfWorkFactory::<dyn Repositories>::begin(&hasty, OPTIONS).await.err();
    assert_eq!(refused.map(|error| error.kind), Some(StorageErrorKind::Unavailable));

    let user = UserId(new_id());
    let waiting = tokio::spawn(keep_creating(patient, user, Instant::now() + Duration::from_millis(100)));
    held.commit().await.expect("commits");
    assert!(waiting.await.expect("no panic") >= 1);
    begin(&hasty).await.rollback().await;
}
