use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::ports::{Queries, Repositories},
    ports::{CommitError, OutboxStore, StorageErrorKind, TransactionOptions, UnitOfWorkFactory},
};
use activelog_domain::user::UserId;
use futures::{FutureExt, future::join_all};

use super::support::{OPTIONS, Scratch, activity, begin, begin_deferring, create, event, new_id};
use crate::persistence::sqlite::statement::Statement;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_units_share_commits() {
    let scratch = Scratch::new().await;
    let before = scratch.database.commits();
    let tasks = (0..64).map(|_| {
        let database = scratch.database.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                let mut unit = begin(&database).await;
                let id = create(&mut *unit, UserId(new_id())).await.expect("creates");
                unit.commit().await.expect("commits");
                assert!(database.activity(id).await.expect("reads").is_some(), "committed means visible");
            }
        })
    });
    for task in join_all(tasks).await {
        task.expect("no panic");
    }
    let commits = scratch.database.commits() - before;
    assert!(commits <= 320, "640 units took {commits} commits");
    assert_eq!(scratch.database.depth().await.expect("a depth").events, 640);
}

/// Units whose writes are all known run together; one that fails takes no other with it.
#[tokio::test]
async fn of_units_that_run_together_only_those_fail_that_have_to() {
    let scratch = Scratch::new().await;
    let taken = activity(UserId(new_id()));
    let mut unit = scratch.begin().await;
    unit.activities().insert(&taken).await.expect("inserts");
    // Holds the turn until all others wait.
    let gate = Arc::new(tokio::sync::Barrier::new(41));
    let units: Vec<_> = (0..40)
        .map(|n| {
            let activity = if n % 7 == 3 { taken.clone() } else { activity(taken.user_id) };
            let (database, gate) = (scratch.database.clone(), Arc::clone(&gate));
            tokio::spawn(async move {
                let mut unit = begin_deferring(&database).await;
                unit.activities().insert(&activity).await.expect("is deferred");
                unit.outbox().append(&[event(activity.id, 1)]).await.expect("is deferred");
                gate.wait().await;
                (n, activity.id, unit.commit().await)
            })
        })
        .collect();
    gate.wait().await;
    let before = scratch.database.commits();
    unit.commit().await.expect("commits");
    for unit in units {
        let (n, id, committed) = unit.await.expect("no panic");
        match committed {
            Ok(()) => assert!(n % 7 != 3 && scratch.database.activity(id).await.expect("reads").is_some(), "{n}"),
            Err(CommitError::RolledBack(error)) => {
                assert!(n % 7 == 3 && error.kind == StorageErrorKind::Constraint, "{n}: {error}");
            }
            Err(unknown) => panic!("{n}: {unknown}"),
        }
    }
    assert_eq!(scratch.database.depth().await.expect("a depth").events, 34, "and nothing of what failed");
    assert!(scratch.database.commits() - before < 34, "they share commits");
}

#[tokio::test]
async fn a_unit_that_runs_whole_gives_up_when_its_turn_does_not_come_in_time() {
    let scratch = Scratch::with(|options| options.acquire_timeout = Duration::from_millis(50)).await;
    let held = scratch.begin().await;
    let activity = activity(UserId(new_id()));
    let mut unit = begin_deferring(&scratch.database).await;
    unit.activities().insert(&activity).await.expect("is deferred");
    match unit.commit().await {
        Err(CommitError::RolledBack(error)) => assert_eq!(error.kind, StorageErrorKind::Unavailable),
        other => panic!("{other:?}"),
    }
    drop(held);
    scratch.begin().await.rollback().await;
    assert_eq!(scratch.database.activity(activity.id).await.expect("reads"), None, "not even afterwards");
}

#[tokio::test]
async fn one_unit_alone_does_not_wait_for_company() {
    let scratch = Scratch::with(|options| options.max_batch_age = Duration::from_secs(3600)).await;
    let mut unit = scratch.begin().await;
    create(&mut *unit, UserId(new_id())).await.expect("creates");
    tokio::time::timeout(Duration::from_secs(10), unit.commit()).await.expect("no timer").expect("commits");
}

#[tokio::test]
async fn a_group_is_bounded() {
    let scratch = Scratch::with(|options| {
        options.max_batch = 4;
        options.max_batch_age = Duration::from_secs(3600);
    })
    .await;
    let before = scratch.database.commits();
    let units = (0..16).map(|_| async {
        let mut unit = scratch.begin().await;
        create(&mut *unit, UserId(new_id())).await.expect("creates");
        unit.commit().await.expect("commits");
    });
    join_all(units).await;
    assert!(scratch.database.commits() - before >= 4);
}

/// Begins three units that end up in one group: `middle` does what it likes between two good ones.
async fn sandwich<F>(scratch: &Scratch, middle: F) -> (bool, bool)
where
    F: AsyncFnOnce(Box<dyn Repositories>),
{
    let (user, before) = (UserId(new_id()), scratch.database.commits());
    let mut first = scratch.begin().await;
    let id = create(&mut *first, user).await.expect("creates");
    // All three are in the queue before the first hands on its turn.
    let second = scratch.begin();
    let third = scratch.begin();
    tokio::pin!(second, third);
    assert!(second.as_mut().now_or_never().is_none());
    assert!(third.as_mut().now_or_never().is_none());
    let first = tokio::spawn(first.commit());
    middle(second.await).await;
    let mut third = third.await;
    let last = create(&mut *third, user).await.expect("creates");
    third.commit().await.expect("the third commits");
    first.await.expect("no panic").expect("the first commits");
    assert_eq!(scratch.database.commits() - before, 1, "one group");
    let seen = async |id| scratch.database.activity(id).await.expect("reads").is_some();
    (seen(id).await, seen(last).await)
}

async fn lasting() -> Scratch {
    Scratch::with(|options| options.max_batch_age = Duration::from_secs(3600)).await
}

#[tokio::test]
async fn a_dropped_unit_rolls_back_alone() {
    let scratch = lasting().await;
    let user = UserId(new_id());
    let seen = sandwich(&scratch, async |mut unit| {
        create(&mut *unit, user).await.expect("creates");
    })
    .await;
    assert_eq!(seen, (true, true));
    assert_eq!(scratch.database.totals(user).await.expect("reads"), None);
}

#[tokio::test]
async fn a_unit_dropped_in_the_middle_of_a_statement_rolls_back_alone() {
    // However far the statement came: not polled, sent, under way, or just answered.
    for polls in 0..4 {
        for earlier in [false, true] {
            let scratch = lasting().await;
            let user = UserId(new_id());
            let seen = sandwich(&scratch, async |mut unit| {
                if earlier {
                    create(&mut *unit, user).await.expect("creates");
                }
                let mut repository = unit.users();
                let mut statement = repository.add_to_totals(user, Default::default(), super::support::now());
                for _ in 0..polls {
                    if futures::poll!(&mut statement).is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            })
            .await;
            assert_eq!(seen, (true, true), "{polls} polls, earlier {earlier}");
            assert_eq!(scratch.database.totals(user).await.expect("reads"), None, "{polls} polls, earlier {earlier}");
        }
    }
}

#[tokio::test]
async fn a_failed_statement_poisons_its_own_unit() {
    let scratch = lasting().await;
    let user = UserId(new_id());
    let seen = sandwich(&scratch, async |mut unit| {
        let activity = activity(user);
        unit.activities().insert(&activity).await.expect("the first time");
        let error = unit.activities().insert(&activity).await.expect_err("the second time");
        assert_eq!(error.kind, StorageErrorKind::Constraint);
        assert!(unit.users().add_to_totals(user, Default::default(), super::support::now()).await.is_err());
        assert!(matches!(unit.commit().await, Err(CommitError::RolledBack(_))));
    })
    .await;
    assert_eq!(seen, (true, true));
    assert_eq!(scratch.database.totals(user).await.expect("reads"), None);
}

#[tokio::test]
async fn a_statement_given_up_poisons_its_unit() {
    let mut given_up = false;
    // SQLite's thread may be done before the first poll returns: then there is nothing to give up.
    for _ in 0..1_000 {
        let scratch = lasting().await;
        sandwich(&scratch, async |mut unit| {
            let mut users = unit.users();
            let mut statement = users.add_to_totals(UserId(new_id()), Default::default(), super::support::now());
            given_up = futures::poll!(&mut statement).is_pending();
            drop(statement);
            drop(users);
            if given_up {
                assert!(matches!(unit.commit().await, Err(CommitError::RolledBack(_))));
            }
        })
        .await;
        if given_up {
            return;
        }
    }
    panic!("every statement was done at once");
}

#[tokio::test]
async fn a_panic_rolls_back_its_own_unit() {
    let scratch = lasting().await;
    let user = UserId(new_id());
    let seen = sandwich(&scratch, async |mut unit| {
        let panicked = tokio::spawn(async move {
            create(&mut *unit, user).await.expect("creates");
            panic!("on purpose");
        });
        assert!(panicked.await.is_err());
    })
    .await;
    assert_eq!(seen, (true, true));
    assert_eq!(scratch.database.totals(user).await.expect("reads"), None);
}

#[tokio::test]
async fn begin_fails_when_its_turn_does_not_come_in_time() {
    let scratch = Scratch::with(|options| options.acquire_timeout = Duration::from_millis(50)).await;
    let held = scratch.begin().await;
    let begin = UnitOfWorkFactory::<dyn Repositories>::begin(&scratch.database, OPTIONS);
    assert_eq!(begin.await.err().map(|error| error.kind), Some(StorageErrorKind::Unavailable));
    let hurried = TransactionOptions { deadline: Duration::from_millis(1), ..OPTIONS };
    let begin = UnitOfWorkFactory::<dyn Repositories>::begin(&scratch.database, hurried);
    assert_eq!(begin.await.err().map(|error| error.kind), Some(StorageErrorKind::Unavailable));
    drop(held);
    scratch.begin().await.rollback().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn begins_given_up_at_any_point_never_lose_the_turn() {
    let scratch = Scratch::new().await;
    let tasks = (0..200_u64).map(|n| {
        let database = scratch.database.clone();
        tokio::spawn(async move {
            let work = async {
                let mut unit = begin(&database).await;
                create(&mut *unit, UserId(new_id())).await.expect("creates");
                unit.commit().await.expect("commits");
            };
            // A third of the callers are gone within microseconds to milliseconds.
            let patience = if n % 3 == 0 { Duration::from_micros(n * 20) } else { Duration::from_secs(30) };
            tokio::time::timeout(patience, work).await.is_ok()
        })
    });
    let done = join_all(tasks).await.into_iter().filter(|task| matches!(task, Ok(true))).count();
    assert!(done >= 133, "{done} of those who waited");
    let events = scratch.database.depth().await.expect("a depth").events;
    assert!(usize::try_from(events).expect("few") >= done, "{events} events of {done} acknowledged");
}

#[tokio::test]
async fn a_lost_transaction_fails_every_unit_of_the_group_and_the_writer_recovers() {
    let scratch = lasting().await;
    let user = UserId(new_id());
    let mut first = scratch.begin().await;
    create(&mut *first, user).await.expect("creates");
    let second = scratch.database.inner.writer.begin_now();
    tokio::pin!(second);
    assert!(second.as_mut().now_or_never().is_none());
    let first = tokio::spawn(first.commit());
    let mut second = second.await.expect("begins");
    // What a full disk makes SQLite do: roll back everything.
    second.execute(Statement::new("lose the transaction", "ROLLBACK")).await.expect("rolls back");
    drop(second);
    let lost = first.await.expect("no panic");
    assert!(matches!(lost, Err(CommitError::RolledBack(_))), "{lost:?}");
    assert_eq!(scratch.database.totals(user).await.expect("reads"), None);
    let mut unit = scratch.begin().await;
    create(&mut *unit, user).await.expect("creates");
    unit.commit().await.expect("recovered");
    assert_eq!(scratch.database.totals(user).await.expect("reads").map(|t| t.activities), Some(1));
}

#[tokio::test]
async fn signals_ring_after_the_commit() {
    let scratch = Scratch::new().await;
    let mut listener = scratch.database.outbox_signal().listen();
    let mut unit = scratch.begin().await;
    unit.outbox().append(&[event(new_id(), 1)]).await.expect("appends");
    assert!(listener.wait(Duration::from_secs(60)).now_or_never().is_none(), "not before the commit");
    unit.commit().await.expect("commits");
    tokio::time::timeout(Duration::from_secs(10), listener.wait(Duration::from_secs(60))).await.expect("rung");
}

#[tokio::test]
async fn a_closed_database_says_so() {
    let scratch = Scratch::new().await;
    let mut unit = scratch.begin().await;
    create(&mut *unit, UserId(new_id())).await.expect("creates");
    let database = Arc::new(scratch.database.clone());
    let closing = tokio::spawn({
        let database = Arc::clone(&database);
        async move { database.close().await }
    });
    unit.commit().await.expect("what is under way may finish");
    closing.await.expect("closes");
    let begin = UnitOfWorkFactory::<dyn Repositories>::begin(&*database, OPTIONS);
    assert_eq!(begin.await.err().map(|error| error.kind), Some(StorageErrorKind::Unavailable));
    assert_eq!(database.ping().await.err().map(|error| error.kind), Some(StorageErrorKind::Unavailable));
    database.close().await;
}

/// A unit that was refused because of what another has written ends when that is committed: whoever is told of the refusal can see its reason.
#[tokio::test]
async fn a_unit_that_is_rolled_back_ends_after_what_it_has_read_is_committed() {
    let scratch = Scratch::with(|options| options.max_batch_age = Duration::from_secs(60)).await;
    let mut first = scratch.begin().await;
    let id = create(&mut *first, UserId(new_id())).await.expect("creates");
    let database = scratch.database.clone();
    let mut refused = tokio::spawn(async move {
        let mut unit = begin(&database).await;
        let seen = unit.activities().find_for_update(id).await.expect("reads");
        unit.rollback().await;
        (seen.is_some(), database.activity(id).await.expect("reads").is_some())
    });
    let database = scratch.database.clone();
    let last = tokio::spawn(async move { begin(&database).await });
    // Both wait for their turn before the first one hands its on, so that one commit is for all.
    tokio::task::yield_now().await;
    let first = tokio::spawn(first.commit());
    let last = last.await.expect("no panic");
    // While the last one keeps the group open, the refused one either waits or has ended too early.
    let ended = tokio::time::timeout(Duration::from_millis(100), &mut refused).await;
    assert!(ended.is_err(), "it ended before the commit: {ended:?}");
    last.rollback().await;
    first.await.expect("no panic").expect("commits");
    assert_eq!(refused.await.expect("no panic"), (true, true));
}
