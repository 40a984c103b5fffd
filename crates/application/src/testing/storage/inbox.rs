use std::time::Duration;

use super::{Storage, case::Checked, samples::any_id};
use crate::ports::Intake;

cases!("inbox":
    an_event_is_taken_once_by_each_handler,
    a_record_waits_for_one_that_is_under_way,
    many_at_once_take_it_once,
);

async fn an_event_is_taken_once_by_each_handler(storage: Storage) -> Checked {
    let (first, second) = (any_id(), any_id());
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.inbox().record("one", first, "key").await?, Intake::New, "a new event");
    ensure_eq!(
        uow.inbox().record("one", first, "key").await?,
        Intake::AlreadyTaken,
        "the same event in the same transaction"
    );
    uow.commit().await?;
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.inbox().record("one", first, "key").await?, Intake::AlreadyTaken, "a redelivered event");
    ensure_eq!(uow.inbox().record("two", first, "key").await?, Intake::New, "another handler");
    ensure_eq!(uow.inbox().record("one", second, "key").await?, Intake::New, "another event");
    uow.rollback().await;
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.inbox().record("two", first, "key").await?, Intake::New, "after a rollback");
    uow.commit().await?;
    Ok(())
}

async fn a_record_waits_for_one_that_is_under_way(storage: Storage) -> Checked {
    for committed in [true, false] {
        let event = any_id();
        let mut first = storage.begin().await?;
        ensure_eq!(first.inbox().record("handler", event, "key").await?, Intake::New, "the first record");
        let others = storage.clone();
        let mut second = tokio::spawn(async move {
            others.transact(|uow| Box::pin(async move { uow.inbox().record("handler", event, "key").await })).await
        });
        if let Ok(early) = tokio::time::timeout(Duration::from_millis(200), &mut second).await {
            return Err(format!("the second record did not wait for the first: {:?}", early?).into());
        }
        if committed {
            first.commit().await?;
        } else {
            first.rollback().await;
        }
        let expected = if committed { Intake::AlreadyTaken } else { Intake::New };
        ensure_eq!(second.await??, expected, "the second record, after the first was committed: {committed}");
    }
    Ok(())
}

async fn many_at_once_take_it_once(storage: Storage) -> Checked {
    let event = any_id();
    let tasks = (0..8).map(|_| {
        let storage = storage.clone();
        tokio::spawn(async move {
            storage.transact(|uow| Box::pin(async move { uow.inbox().record("handler", event, "key").await })).await
        })
    });
    let mut taken = 0;
    for task in tasks.collect::<Vec<_>>() {
        taken += u32::from(task.await?? == Intake::New);
    }
    ensure_eq!(taken, 1, "how many took it");
    Ok(())
}
