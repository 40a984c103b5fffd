use std::time::Duration;

use activelog_domain::activity::Activity;
use tokio::time::Instant;

use super::{
    Storage,
    case::Checked,
    fixture::PATIENCE,
    samples::{any_id, any_user, at, bare_activity, event, expect_kind, figures},
};
use crate::ports::{CommitError, Intake, Isolation, StorageErrorKind, TransactionOptions};

cases!("unit of work":
    it_sees_its_own_writes_and_others_do_not_before_the_commit,
    what_is_committed_is_there_for_everybody,
    a_rollback_undoes_everything,
    a_drop_undoes_everything,
    a_failed_statement_poisons_it,
    deferred_writes_are_seen_and_undone_like_others,
    deferred_writes_are_kept_like_others,
    a_deferred_write_that_fails_fails_the_commit,
    an_expected_conflict_does_not_poison_it,
    a_drop_in_the_middle_of_a_statement_undoes_everything,
    dropped_begins_and_statements_leave_the_storage_healthy,
    a_wait_for_a_lock_ends_by_the_deadline,
    it_is_serializable_where_that_is_asked_for,
);

/// Writes with every part of the toolkit, to see whether all of it is there or nothing.
async fn write_everywhere(uow: &mut dyn crate::activity::ports::Repositories, activity: &Activity) -> Checked {
    uow.activities().insert(activity).await?;
    uow.users().add_to_totals(activity.user_id, figures(1, 1, 1, 1), at(0)).await?;
    ensure_eq!(uow.inbox().record("handler", activity.id, "key").await?, Intake::New, "a new event in the inbox");
    uow.outbox().append(&[event(&activity.id.to_string(), 1)]).await?;
    Ok(())
}

async fn ensure_there(storage: &Storage, activity: &Activity, there: bool, when: &str) -> Checked {
    ensure_eq!(storage.queries.activity(activity.id).await?.is_some(), there, "the activity {when}");
    ensure_eq!(storage.queries.totals(activity.user_id).await?.is_some(), there, "the totals {when}");
    ensure_eq!(storage.outbox.depth().await?.events, u64::from(there), "events in the outbox {when}");
    ensure_eq!(storage.outbox.waiting().await?.len(), usize::from(there), "waiting partitions {when}");
    Ok(())
}

/// Nothing of it is left, and everything works.
async fn ensure_undone(storage: &Storage, activity: &Activity, when: &str) -> Checked {
    ensure_there(storage, activity, false, when).await?;
    let mut uow = storage.begin().await?;
    write_everywhere(&mut *uow, activity).await?;
    uow.commit().await?;
    ensure_there(storage, activity, true, &format!("written again {when}")).await
}

async fn it_sees_its_own_writes_and_others_do_not_before_the_commit(storage: Storage) -> Checked {
    let activity = bare_activity(any_user())?;
    let mut uow = storage.begin().await?;
    write_everywhere(&mut *uow, &activity).await?;
    ensure_eq!(uow.activities().find_for_update(activity.id).await?, Some(activity.clone()), "its own write");
    ensure_eq!(
        uow.inbox().record("handler", activity.id, "key").await?,
        Intake::AlreadyTaken,
        "its own record in the inbox"
    );
    ensure_there(&storage, &activity, false, "before the commit").await?;
    uow.commit().await?;
    ensure_there(&storage, &activity, true, "after the commit").await
}

async fn what_is_committed_is_there_for_everybody(storage: Storage) -> Checked {
    let activity = bare_activity(any_user())?;
    let mut uow = storage.begin().await?;
    write_everywhere(&mut *uow, &activity).await?;
    uow.commit().await?;
    let mut later = storage.begin().await?;
    ensure_eq!(
        later.activities().find_for_update(activity.id).await?,
        Some(activity.clone()),
        "in a later transaction"
    );
    ensure_eq!(
        later.inbox().record("handler", activity.id, "key").await?,
        Intake::AlreadyTaken,
        "in a later transaction's inbox"
    );
    later.commit().await?;
    ensure_there(&storage, &activity, true, "after both").await
}

async fn a_rollback_undoes_everything(storage: Storage) -> Checked {
    let activity = bare_activity(any_user())?;
    let mut uow = storage.begin().await?;
    write_everywhere(&mut *uow, &activity).await?;
    uow.rollback().await;
    ensure_undone(&storage, &activity, "after the rollback").await
}

async fn a_drop_undoes_everything(storage: Storage) -> Checked {
    let activity = bare_activity(any_user())?;
    let mut uow = storage.begin().await?;
    write_everywhere(&mut *uow, &activity).await?;
    drop(uow);
    ensure_undone(&storage, &activity, "after the drop").await
}

async fn a_failed_statement_poisons_it(storage: Storage) -> Checked {
    let there = bare_activity(any_user())?;
    storage.insert(std::slice::from_ref(&there)).await?;
    let activity = bare_activity(any_user())?;
    let mut uow = storage.begin().await?;
    write_everywhere(&mut *uow, &activity).await?;
    expect_kind(uow.activities().insert(&there).await, StorageErrorKind::Constraint, "the statement that fails")?;
    ensure!(uow.activities().find_for_update(there.id).await.is_err(), "a read after the failed statement succeeded");
    let totals = uow.users().add_to_totals(any_user(), figures(1, 1, 1, 1), at(0)).await;
    ensure!(totals.is_err(), "a write after the failed statement succeeded");
    ensure!(
        uow.inbox().record("handler", any_id(), "key").await.is_err(),
        "the inbox after the failed statement works"
    );
    ensure!(uow.outbox().append(&[event("x", 1)]).await.is_err(), "the outbox after the failed statement works");
    match uow.commit().await {
        Err(CommitError::RolledBack(_)) => {}
        Err(CommitError::Unknown(error)) => {
            return Err(format!("the commit is unknown, not rolled back: {error}").into());
        }
        Ok(()) => return Err("the commit after the failed statement succeeded".into()),
    }
    ensure_undone(&storage, &activity, "after the failed statement").await
}

async fn deferred_writes_are_seen_and_undone_like_others(storage: Storage) -> Checked {
    let undone = bare_activity(any_user())?;
    let mut uow = storage.begin_deferring().await?;
    uow.activities().insert(&undone).await?;
    uow.users().add_to_totals(undone.user_id, figures(1, 1, 1, 1), at(0)).await?;
    ensure_eq!(uow.activities().find_for_update(undone.id).await?, Some(undone.clone()), "a read sees it");
    uow.outbox().append(&[event(&undone.id.to_string(), 1)]).await?;
    uow.rollback().await;
    ensure_undone(&storage, &undone, "after the rollback").await
}

async fn deferred_writes_are_kept_like_others(storage: Storage) -> Checked {
    let kept = bare_activity(any_user())?;
    let mut uow = storage.begin_deferring().await?;
    write_everywhere(&mut *uow, &kept).await?;
    uow.commit().await?;
    ensure_there(&storage, &kept, true, "after the commit").await
}

async fn a_deferred_write_that_fails_fails_the_commit(storage: Storage) -> Checked {
    let there = bare_activity(any_user())?;
    storage.insert(std::slice::from_ref(&there)).await?;
    let activity = bare_activity(any_user())?;
    let mut uow = storage.begin_deferring().await?;
    uow.activities().insert(&activity).await?;
    // Now, or when it is committed.
    let now = uow.activities().insert(&there).await;
    match uow.commit().await {
        Err(CommitError::RolledBack(_)) => {}
        Err(CommitError::Unknown(error)) => {
            return Err(format!("the commit is unknown, not rolled back: {error}").into());
        }
        Ok(()) => return Err(format!("the commit succeeded after {now:?}").into()),
    }
    ensure_undone(&storage, &activity, "after the failed write").await
}

async fn an_expected_conflict_does_not_poison_it(storage: Storage) -> Checked {
    let activity = bare_activity(any_user())?;
    let mut uow = storage.begin().await?;
    let user = activity.user_id;
    ensure_eq!(uow.inbox().record("handler", any_id(), "key").await?, Intake::New, "a new event");
    ensure!(uow.activities().record_import(user, "s", "1", any_id()).await?, "a new import");
    ensure!(!uow.activities().record_import(user, "s", "1", any_id()).await?, "a known import");
    ensure!(!uow.activities().update(&activity).await?, "an update of nothing");
    uow.activities().insert(&activity).await?;
    uow.commit().await?;
    ensure_eq!(storage.queries.activity(activity.id).await?, Some(activity), "after conflicts that were expected");
    Ok(())
}

/// Polls a future, lets others run so many times, and drops it unless it has ended.
async fn cut_short<T>(future: impl Future<Output = T>, yields: u32) -> Option<T> {
    let later = async {
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        done = future => Some(done),
        () = later => None,
    }
}

async fn a_drop_in_the_middle_of_a_statement_undoes_everything(storage: Storage) -> Checked {
    for yields in [0, 1, 2, 5, 20, 100] {
        let activity = bare_activity(any_user())?;
        let before = storage.outbox.depth().await?.events;
        let mut uow = storage.begin().await?;
        uow.users().add_to_totals(activity.user_id, figures(1, 1, 1, 1), at(0)).await?;
        let _inserted = cut_short(uow.activities().insert(&activity), yields).await;
        drop(uow);
        ensure_eq!(storage.queries.activity(activity.id).await?, None, "the activity after {yields} yields");
        ensure_eq!(storage.queries.totals(activity.user_id).await?, None, "the totals after {yields} yields");
        ensure_eq!(storage.outbox.depth().await?.events, before, "the outbox after {yields} yields");
        storage.insert(&[activity]).await?;
    }
    Ok(())
}

async fn dropped_begins_and_statements_leave_the_storage_healthy(storage: Storage) -> Checked {
    let untouched = bare_activity(any_user())?;
    for n in 0..200_u32 {
        if let Some(uow) = cut_short(storage.begin(), n % 7).await {
            let mut uow = uow?;
            let _inserted = cut_short(uow.activities().insert(&untouched), n % 5).await;
            if n % 3 == 0 {
                let _appended = cut_short(uow.outbox().append(&[event("s", 1)]), n % 4).await;
            }
        }
    }
    let tasks = (0..20).map(|_| {
        let storage = storage.clone();
        tokio::spawn(async move { storage.insert(&[bare_activity(any_user())?]).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    ensure_undone(&storage, &untouched, "after 200 that were dropped").await
}

async fn a_wait_for_a_lock_ends_by_the_deadline(storage: Storage) -> Checked {
    let activity = bare_activity(any_user())?;
    storage.insert(std::slice::from_ref(&activity)).await?;
    let mut holder = storage.begin().await?;
    ensure!(holder.activities().find_for_update(activity.id).await?.is_some(), "the activity to be locked is gone");
    let changed = Activity { version: 2, ..activity.clone() };
    ensure!(holder.activities().update(&changed).await?, "the update under the lock was refused");
    let started = Instant::now();
    let waited = async {
        let mut waiter = storage.begin_within(Duration::from_millis(500)).await?;
        waiter.activities().find_for_update(activity.id).await
    };
    let waited = tokio::time::timeout(PATIENCE, waited).await;
    let Ok(waited) = waited else { return Err(format!("still waiting after {:?}", started.elapsed()).into()) };
    ensure!(waited.is_err(), "a locked activity was found by another transaction: {waited:?}");
    holder.commit().await?;
    ensure_eq!(storage.queries.activity(activity.id).await?, Some(changed), "what the holder committed");
    storage.insert(&[bare_activity(any_user())?]).await
}

/// Two transactions each read both users' activities and add one where there is none: one after the other, only one is added.
async fn it_is_serializable_where_that_is_asked_for(storage: Storage) -> Checked {
    for _ in 0..10 {
        let (one, other) = (bare_activity(any_user())?, bare_activity(any_user())?);
        let ids = [one.id, other.id];
        let tasks = [one, other].map(|activity| {
            let storage = storage.clone();
            tokio::spawn(async move {
                let options = TransactionOptions::new(Isolation::Serializable, PATIENCE);
                let failed = CommitError::RolledBack;
                let mut uow = storage.factory.begin(options).await.map_err(failed)?;
                for id in ids {
                    if uow.activities().find_for_update(id).await.map_err(failed)?.is_some() {
                        uow.rollback().await;
                        return Ok(());
                    }
                }
                tokio::task::yield_now().await;
                uow.activities().insert(&activity).await.map_err(failed)?;
                uow.commit().await
            })
        });
        let mut added = 0;
        for task in tasks {
            match task.await? {
                Ok(()) => {}
                Err(CommitError::RolledBack(error)) => {
                    ensure_eq!(error.kind, StorageErrorKind::Contention, "a conflict of serializable transactions");
                }
                Err(error) => return Err(error.into()),
            }
        }
        for id in ids {
            added += u32::from(storage.queries.activity(id).await?.is_some());
        }
        ensure!(added <= 1, "two serializable transactions both added what the other looked for");
    }
    Ok(())
}
