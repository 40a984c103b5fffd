use std::sync::Arc;

use activelog_domain::activity::{Activity, Tags, Title};

use super::{
    Storage,
    case::Checked,
    samples::{any_id, any_user, at, bare_activity, expect_kind, hard_activities},
};
use crate::ports::StorageErrorKind;

cases!("activities":
    every_field_survives,
    an_id_that_is_there_is_a_constraint_error,
    nothing_is_found_where_there_is_nothing,
    an_update_keeps_every_field,
    an_update_replaces_all_tags,
    an_update_needs_the_version_before_its_own,
    a_deletion_needs_the_stored_version,
    changes_at_once_lose_nothing,
    an_import_is_recorded_once,
);

async fn every_field_survives(storage: Storage) -> Checked {
    for activity in hard_activities(any_user())? {
        storage.insert(std::slice::from_ref(&activity)).await?;
        let mut uow = storage.begin().await?;
        ensure_eq!(
            uow.activities().find_for_update(activity.id).await?,
            Some(activity.clone()),
            "found in a transaction"
        );
        uow.rollback().await;
        ensure_eq!(storage.queries.activity(activity.id).await?, Some(activity), "found by a query");
    }
    Ok(())
}

async fn an_id_that_is_there_is_a_constraint_error(storage: Storage) -> Checked {
    let activity = bare_activity(any_user())?;
    storage.insert(std::slice::from_ref(&activity)).await?;
    let mut uow = storage.begin().await?;
    let again = Activity { title: Title::new("another")?, ..activity.clone() };
    expect_kind(uow.activities().insert(&again).await, StorageErrorKind::Constraint, "inserting an id twice")?;
    uow.rollback().await;
    ensure_eq!(storage.queries.activity(activity.id).await?, Some(activity), "the first one stays");
    Ok(())
}

async fn nothing_is_found_where_there_is_nothing(storage: Storage) -> Checked {
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.activities().find_for_update(any_id()).await?, None, "an unknown activity");
    ensure_eq!(uow.activities().update(&bare_activity(any_user())?).await?, false, "updating an unknown activity");
    ensure_eq!(uow.activities().delete(any_id(), 1).await?, false, "deleting an unknown activity");
    uow.commit().await?;
    ensure_eq!(storage.queries.activity(any_id()).await?, None, "an unknown activity");
    Ok(())
}

async fn an_update_keeps_every_field(storage: Storage) -> Checked {
    let user = any_user();
    for target in hard_activities(user)? {
        for source in hard_activities(user)? {
            let stored = Activity { version: 1, ..source };
            storage.insert(std::slice::from_ref(&stored)).await?;
            let changed = Activity { id: stored.id, version: 2, created_at: stored.created_at, ..target.clone() };
            let mut uow = storage.begin().await?;
            ensure_eq!(uow.activities().update(&changed).await?, true, "an update");
            uow.commit().await?;
            ensure_eq!(storage.queries.activity(stored.id).await?, Some(changed), "after the update");
        }
    }
    Ok(())
}

async fn an_update_replaces_all_tags(storage: Storage) -> Checked {
    let mut stored = Activity { tags: Tags::new(&["b", "a", "c"])?, ..bare_activity(any_user())? };
    storage.insert(std::slice::from_ref(&stored)).await?;
    for tags in [&["c", "b"][..], &["b", "c"], &[], &["with friends"]] {
        stored = Activity { version: stored.version + 1, tags: Tags::new(tags)?, ..stored };
        let mut uow = storage.begin().await?;
        ensure_eq!(uow.activities().update(&stored).await?, true, "an update to {tags:?}");
        ensure_eq!(
            uow.activities().find_for_update(stored.id).await?,
            Some(stored.clone()),
            "found in the transaction"
        );
        uow.commit().await?;
        ensure_eq!(storage.queries.activity(stored.id).await?, Some(stored.clone()), "after the update");
    }
    Ok(())
}

async fn an_update_needs_the_version_before_its_own(storage: Storage) -> Checked {
    let stored = Activity { version: 5, ..bare_activity(any_user())? };
    storage.insert(std::slice::from_ref(&stored)).await?;
    let mut uow = storage.begin().await?;
    for version in [1, 4, 5, 7, 100] {
        let changed = Activity { version, title: Title::new("changed")?, ..stored.clone() };
        ensure_eq!(uow.activities().update(&changed).await?, false, "an update of version 5 to {version}");
    }
    ensure_eq!(
        uow.activities().find_for_update(stored.id).await?,
        Some(stored.clone()),
        "after updates that were refused"
    );
    let changed = Activity { version: 6, updated_at: at(9), ..stored };
    ensure_eq!(uow.activities().update(&changed).await?, true, "an update of version 5 to 6");
    ensure_eq!(uow.activities().update(&changed).await?, false, "the same update again");
    uow.commit().await?;
    ensure_eq!(storage.queries.activity(changed.id).await?, Some(changed), "after the update");
    Ok(())
}

async fn a_deletion_needs_the_stored_version(storage: Storage) -> Checked {
    let stored = Activity { version: 5, ..bare_activity(any_user())? };
    let other = bare_activity(any_user())?;
    storage.insert(&[stored.clone(), other.clone()]).await?;
    let mut uow = storage.begin().await?;
    for version in [1, 4, 6] {
        ensure_eq!(uow.activities().delete(stored.id, version).await?, false, "deleting version 5 as {version}");
    }
    ensure_eq!(uow.activities().delete(stored.id, 5).await?, true, "deleting version 5");
    ensure_eq!(uow.activities().delete(stored.id, 5).await?, false, "deleting it again");
    uow.commit().await?;
    ensure_eq!(storage.queries.activity(stored.id).await?, None, "after the deletion");
    ensure_eq!(storage.queries.activity(other.id).await?, Some(other), "another activity");
    Ok(())
}

/// What `find_for_update` answers is locked, so that a change made from it is never refused.
async fn changes_at_once_lose_nothing(storage: Storage) -> Checked {
    const WRITERS: u64 = 4;
    const CHANGES: u64 = 10;
    let stored = bare_activity(any_user())?;
    storage.insert(std::slice::from_ref(&stored)).await?;
    let id = stored.id;
    let change = Arc::new(storage.clone());
    let writers = (0..WRITERS).map(|_| {
        let storage = change.clone();
        tokio::spawn(async move {
            for _ in 0..CHANGES {
                let changed = storage.transact(|uow| {
                    Box::pin(async move {
                        let Some(mut activity) = uow.activities().find_for_update(id).await? else { return Ok(false) };
                        activity.version += 1;
                        uow.activities().update(&activity).await
                    })
                });
                ensure!(changed.await?, "a change made from a locked activity was refused");
            }
            Ok(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    let version = storage.queries.activity(id).await?.map(|a| a.version);
    ensure_eq!(version, Some(1 + WRITERS * CHANGES), "the version after all changes");
    Ok(())
}

async fn an_import_is_recorded_once(storage: Storage) -> Checked {
    let (user, other) = (any_user(), any_user());
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.activities().record_import(user, "strava", "1", any_id()).await?, true, "a first import");
    ensure_eq!(
        uow.activities().record_import(user, "strava", "1", any_id()).await?,
        false,
        "the same in one transaction"
    );
    uow.commit().await?;
    let mut uow = storage.begin().await?;
    let mut activities = uow.activities();
    ensure_eq!(activities.record_import(user, "strava", "1", any_id()).await?, false, "the same again");
    ensure_eq!(activities.record_import(user, "strava", "2", any_id()).await?, true, "another row");
    ensure_eq!(activities.record_import(user, "garmin", "1", any_id()).await?, true, "another source");
    ensure_eq!(activities.record_import(other, "strava", "1", any_id()).await?, true, "another user");
    ensure_eq!(activities.record_import(user, "Ünï", "🚴'", any_id()).await?, true, "another script");
    drop(activities);
    uow.rollback().await;
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.activities().record_import(user, "strava", "2", any_id()).await?, true, "after a rollback");
    uow.commit().await?;
    Ok(())
}
