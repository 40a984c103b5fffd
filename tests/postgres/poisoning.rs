use std::time::Duration;

use activelog_application::ports::{CommitError, Isolation, StorageErrorKind, TransactionOptions, UnitOfWorkFactory};
use activelog_domain::user::UserId;

use crate::fixture::{activity, begin, created, database, id};

/// PostgreSQL answers the COMMIT of a failed transaction with success. The unit of work does not.
#[tokio::test]
async fn a_swallowed_error_makes_commit_fail() {
    let Some((database, _)) = database().await else { return };
    let first = activity(UserId(id()));
    let mut unit = begin(&database).await;
    unit.activities().insert(&first).await.unwrap();
    let error = unit.activities().insert(&first).await.expect_err("the id is taken");
    assert_eq!(error.kind, StorageErrorKind::Constraint);
    assert!(error.to_string().contains("activities_pkey"), "{error}");
    let later = unit.activities().find_for_update(first.id).await.expect_err("the unit is poisoned");
    assert_eq!(later.kind, StorageErrorKind::Constraint);
    let CommitError::RolledBack(error) = unit.commit().await.expect_err("nothing was committed") else {
        panic!("the outcome is known");
    };
    assert_eq!(error.kind, StorageErrorKind::Constraint);
    let mut unit = begin(&database).await;
    assert_eq!(unit.activities().find_for_update(first.id).await.unwrap(), None);
    unit.rollback().await;
}

/// A statement whose future was dropped may or may not have run: the unit cannot commit.
#[tokio::test]
async fn an_abandoned_statement_makes_commit_fail() {
    let Some((database, _)) = database().await else { return };
    // The server may answer before the first poll returns: then there is nothing to abandon.
    for _ in 0..1_000 {
        let first = activity(UserId(id()));
        let mut unit = begin(&database).await;
        unit.activities().insert(&first).await.unwrap();
        let abandoned = {
            let mut activities = unit.activities();
            let insert = std::pin::pin!(async { activities.insert(&activity(UserId(id()))).await });
            // Polled once: the statement is on its way.
            futures::poll!(insert).is_pending()
        };
        if abandoned {
            assert!(matches!(unit.commit().await, Err(CommitError::RolledBack(_))));
            let mut unit = begin(&database).await;
            assert_eq!(unit.activities().find_for_update(first.id).await.unwrap(), None);
            unit.rollback().await;
            return;
        }
        unit.rollback().await;
    }
    panic!("every statement was done at once");
}

/// Two writers of one aggregate: the second event of the same version is refused.
#[tokio::test]
async fn an_event_that_is_there_already_is_a_constraint_error() {
    let Some((database, _)) = database().await else { return };
    let first = activity(UserId(id()));
    let (one, other) = (created(&first), created(&first));
    for event in [&one, &other] {
        let mut unit = begin(&database).await;
        let appended = unit.outbox().append(std::slice::from_ref(event)).await;
        if event.id == one.id {
            appended.unwrap();
            unit.commit().await.unwrap();
        } else {
            assert_eq!(appended.expect_err("subject and sequence are taken").kind, StorageErrorKind::Constraint);
        }
    }
}

/// The server ends a wait for a lock before the caller's deadline, and says that another try may help.
#[tokio::test]
async fn a_lock_is_not_waited_for_beyond_the_deadline() {
    let Some((database, _)) = database().await else { return };
    let first = activity(UserId(id()));
    let mut unit = begin(&database).await;
    unit.activities().insert(&first).await.unwrap();
    unit.commit().await.unwrap();
    let mut holder = begin(&database).await;
    holder.activities().find_for_update(first.id).await.unwrap();
    let options = TransactionOptions::new(Isolation::ReadCommitted, Duration::from_millis(200));
    let mut unit = database.begin(options).await.unwrap();
    let error = unit.activities().find_for_update(first.id).await.expect_err("the row is locked");
    assert_eq!(error.kind, StorageErrorKind::Contention, "{error}");
    holder.rollback().await;
}

/// Serializable units that contradict each other: one of them fails with what makes the caller run it again.
#[tokio::test]
async fn a_serialization_failure_is_contention() {
    let Some((database, _)) = database().await else { return };
    let user = UserId(id());
    let options = TransactionOptions::new(Isolation::Serializable, Duration::from_secs(60));
    let (mut one, mut other) = (database.begin(options).await.unwrap(), database.begin(options).await.unwrap());
    assert!(one.achievements().list(user).await.unwrap().is_empty());
    assert!(other.achievements().list(user).await.unwrap().is_empty());
    let mut outcomes = Vec::new();
    for mut unit in [one, other] {
        let added = activelog_domain::achievement::Earned {
            achievement: activelog_domain::achievement::Achievement::FirstActivity,
            activity_id: id(),
            achieved_at: jiff::Timestamp::UNIX_EPOCH,
            distance_metres: None,
        };
        let put = unit.achievements().put(user, &added).await;
        outcomes.push(match put {
            Ok(()) => match unit.commit().await {
                Ok(()) => None,
                Err(CommitError::RolledBack(error) | CommitError::Unknown(error)) => Some(error.kind),
            },
            Err(error) => Some(error.kind),
        });
    }
    assert_eq!(outcomes, [None, Some(StorageErrorKind::Contention)]);
}
