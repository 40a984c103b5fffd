use activelog_application::{
    activity::ports::{ActivityFilter, KeysetPage, Queries},
    ports::{Claim, IdempotencyKey, Intake, StoredResponse},
};
use activelog_domain::{
    achievement::{Achievement, Earned},
    activity::ActivityType,
    notification::Notification,
    statistics::Figures,
    user::UserId,
};
use jiff::{Timestamp, ToSpan};

use crate::fixture::{activity, begin, database, id};

/// Every statement of the repositories and read models, once: the shared suite goes deeper.
#[tokio::test]
async fn every_statement_fits_the_schema() {
    let Some((database, _)) = database().await else { return };
    let user = UserId(id());
    let first = activity(user);
    let mut unit = begin(&database).await;
    unit.activities().insert(&first).await.unwrap();
    assert!(unit.activities().record_import(user, "strava", "1", first.id).await.unwrap());
    assert!(!unit.activities().record_import(user, "strava", "1", first.id).await.unwrap());
    unit.users().add_to_totals(user, Figures::of(&first), first.created_at).await.unwrap();
    let totals = unit.users().totals(user).await.unwrap();
    let note = Notification {
        id: id(),
        user_id: user,
        kind: "activity.created".into(),
        message: "Well done".into(),
        created_at: first.created_at,
        read_at: None,
    };
    unit.notifications().insert(&note).await.unwrap();
    unit.notifications().mark_read(note.id, first.created_at).await.unwrap();
    unit.notifications().mark_read(note.id, first.created_at + 1.hour()).await.unwrap();
    let read = unit.notifications().find_for_update(note.id).await.unwrap().expect("it is there");
    assert_eq!(read.read_at, Some(first.created_at));
    let earned = Earned {
        achievement: Achievement::FirstActivity,
        activity_id: first.id,
        achieved_at: first.created_at,
        distance_metres: None,
    };
    unit.achievements().put(user, &earned).await.unwrap();
    assert_eq!(unit.inbox().record("statistics", first.id, "key").await.unwrap(), Intake::New);
    assert_eq!(unit.inbox().record("statistics", first.id, "key").await.unwrap(), Intake::AlreadyTaken);
    unit.commit().await.unwrap();

    assert_eq!(database.activity(first.id).await.unwrap().as_ref(), Some(&first));
    assert_eq!(database.totals(user).await.unwrap(), Some(totals));
    assert_eq!(database.achievements(user).await.unwrap(), std::slice::from_ref(&earned));
    let page = KeysetPage { after: None, limit: 10 };
    assert_eq!(database.notifications(user, page).await.unwrap(), [read]);
    let filter = ActivityFilter {
        user_id: Some(user),
        activity_type: Some(ActivityType::new("run").unwrap()),
        from: Some(first.activity_date.instant()),
        to: Some(Timestamp::MAX),
    };
    let to = Some(first.activity_date.instant() + 1.hour());
    let filter = ActivityFilter { to, ..filter };
    assert_eq!(database.activities(&filter, page).await.unwrap(), std::slice::from_ref(&first));
    let after = KeysetPage { after: Some((first.activity_date.instant(), first.id)), limit: 10 };
    assert!(database.activities(&ActivityFilter::default(), after).await.unwrap().is_empty());

    let mut unit = begin(&database).await;
    let mut next = unit.activities().find_for_update(first.id).await.unwrap().expect("it is there");
    assert!(!unit.activities().update(&next).await.unwrap(), "the same version again is stale");
    next.version += 1;
    assert!(unit.activities().update(&next).await.unwrap());
    assert!(!unit.activities().delete(first.id, 1).await.unwrap());
    assert!(unit.activities().delete(first.id, 2).await.unwrap());
    unit.achievements().remove(user, &earned.achievement).await.unwrap();
    unit.achievements().remove_effort(user, first.id).await.unwrap();
    assert!(unit.achievements().list(user).await.unwrap().is_empty());
    unit.commit().await.unwrap();
}

/// The second of two requests with one key waits for the first and gets its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_use_is_waited_for() {
    let Some((database, _)) = database().await else { return };
    let key = IdempotencyKey { scope: "POST /activities".into(), key: "k".into(), fingerprint: [7; 16] };
    let response = StoredResponse { status: 201, headers: vec![("etag".into(), "\"1\"".into())], body: "{}".into() };
    let mut first = begin(&database).await;
    assert_eq!(first.idempotency().claim(&key).await.unwrap(), Claim::New);
    let second = tokio::spawn({
        let (database, key) = (database.clone(), key.clone());
        async move { begin(&database).await.idempotency().claim(&key).await }
    });
    first.idempotency().answer(&key, &response).await.unwrap();
    assert!(!second.is_finished());
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap().unwrap(), Claim::Answered(response));
    let other = IdempotencyKey { fingerprint: [8; 16], ..key };
    assert_eq!(begin(&database).await.idempotency().claim(&other).await.unwrap(), Claim::Mismatch);
}
