use activelog_domain::notification::Notification;

use super::{
    Storage,
    case::Checked,
    samples::{any_id, any_user, at, notification},
};
use crate::activity::ports::KeysetPage;

cases!("notifications": every_field_survives, one_id_is_told_once, reading_again_keeps_the_first_time);

async fn every_field_survives(storage: Storage) -> Checked {
    let user = any_user();
    let long = "Ünï 🚴 ".repeat(500);
    let unread = Notification { kind: "achievement.unlocked".into(), message: long, ..notification(user, at(1)) };
    let read = Notification { read_at: Some(at(999_999)), ..notification(user, at(123_456)) };
    let mut uow = storage.begin().await?;
    for stored in [&unread, &read] {
        uow.notifications().insert(stored).await?;
        ensure_eq!(uow.notifications().find_for_update(stored.id).await?, Some((*stored).clone()), "own write");
    }
    ensure_eq!(uow.notifications().find_for_update(any_id()).await?, None, "an unknown notification");
    uow.commit().await?;
    let all = storage.queries.notifications(user, KeysetPage { after: None, limit: 10 }).await?;
    ensure_eq!(all, vec![read, unread], "by a query, newest first");
    Ok(())
}

async fn one_id_is_told_once(storage: Storage) -> Checked {
    let user = any_user();
    let first = notification(user, at(1));
    let again = Notification { message: "another".into(), created_at: at(2), ..first.clone() };
    let mut uow = storage.begin().await?;
    uow.notifications().insert(&first).await?;
    uow.notifications().insert(&again).await?;
    uow.commit().await?;
    let mut uow = storage.begin().await?;
    uow.notifications().insert(&again).await?;
    let after = notification(user, at(3));
    uow.notifications().insert(&after).await?;
    uow.commit().await?;
    let all = storage.queries.notifications(user, KeysetPage { after: None, limit: 10 }).await?;
    ensure_eq!(all, vec![after, first], "the first of an id stays, and the transaction goes on");
    Ok(())
}

async fn reading_again_keeps_the_first_time(storage: Storage) -> Checked {
    let user = any_user();
    let (stored, other) = (notification(user, at(1)), notification(user, at(0)));
    let mut uow = storage.begin().await?;
    uow.notifications().insert(&stored).await?;
    uow.notifications().insert(&other).await?;
    uow.commit().await?;
    for later in [5, 6, 4] {
        let mut uow = storage.begin().await?;
        uow.notifications().mark_read(stored.id, at(later)).await?;
        uow.commit().await?;
    }
    let all = storage.queries.notifications(user, KeysetPage { after: None, limit: 10 }).await?;
    ensure_eq!(all, vec![Notification { read_at: Some(at(5)), ..stored }, other], "after reading one thrice");
    let mut uow = storage.begin().await?;
    uow.notifications().mark_read(any_id(), at(1)).await?;
    uow.commit().await?;
    Ok(())
}
