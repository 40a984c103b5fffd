use std::cmp::Reverse;

use activelog_domain::{
    activity::{Activity, ActivityDate},
    notification::Notification,
};
use uuid::Uuid;

use super::{
    Storage,
    case::Checked,
    samples::{any_user, at, bare_activity, kind, notification},
};
use crate::activity::ports::{ActivityFilter, KeysetPage};

cases!("queries":
    the_database_answers,
    activities_are_filtered,
    activities_are_paged_by_key,
    notifications_are_paged_by_key,
    what_is_inserted_meanwhile_shifts_nothing,
);

async fn the_database_answers(storage: Storage) -> Checked {
    storage.queries.ping().await?;
    Ok(())
}

fn newest_first(mut activities: Vec<Activity>) -> Vec<Activity> {
    activities.sort_by_key(|a| Reverse((a.activity_date, a.id)));
    activities
}

async fn activities_are_filtered(storage: Storage) -> Checked {
    let (user, other) = (any_user(), any_user());
    let mut all = Vec::new();
    for (owner, name, micros) in [
        (user, "run", 0),
        (user, "run", 1_000_000),
        (user, "ride", 1_000_000),
        (user, "trail_run", 2_000_000),
        (other, "run", 1_000_001),
        (other, "ride", -5_000_000_000_000_000),
    ] {
        let activity_date = ActivityDate::stored(at(micros));
        all.push(Activity { activity_type: kind(name)?, activity_date, ..bare_activity(owner)? });
    }
    storage.insert(&all).await?;
    let users = [None, Some(user), Some(other), Some(any_user())];
    let types = [None, Some(kind("run")?), Some(kind("ride")?), Some(kind("swim")?)];
    let bounds = [None, Some(at(0)), Some(at(1_000_000)), Some(at(1_000_001)), Some(at(9_000_000))];
    for user_id in users {
        for activity_type in &types {
            for pair in 0..bounds.len().pow(2) {
                let (from, to) = (bounds[pair / bounds.len()], bounds[pair % bounds.len()]);
                let filter = ActivityFilter { user_id, activity_type: activity_type.clone(), from, to };
                let wanted = |a: &Activity| {
                    let date = a.activity_date.instant();
                    user_id.is_none_or(|u| u == a.user_id)
                        && activity_type.as_ref().is_none_or(|t| *t == a.activity_type)
                        && from.is_none_or(|from| date >= from)
                        && to.is_none_or(|to| date < to)
                };
                let expected = newest_first(all.iter().filter(|a| wanted(a)).cloned().collect());
                let found = storage.queries.activities(&filter, KeysetPage { after: None, limit: 100 }).await?;
                ensure_eq!(found, expected, "{filter:?}");
            }
        }
    }
    Ok(())
}

/// Many with the same date, so that only the id tells them apart.
async fn activities_are_paged_by_key(storage: Storage) -> Checked {
    let user = any_user();
    let mut all = Vec::new();
    for n in 0..23_i64 {
        let activity_date = ActivityDate::stored(at((n / 9) * 1_000_000));
        all.push(Activity { activity_date, ..bare_activity(user)? });
    }
    all[0].id = Uuid::max();
    all[1].id = Uuid::from_u128(1);
    all[2].id = Uuid::from_u128(1 << 127);
    storage.insert(&all).await?;
    let expected = newest_first(all);
    for limit in [1, 4, 9, 23, 100] {
        let mut found: Vec<Activity> = Vec::new();
        loop {
            let after = found.last().map(|a| (a.activity_date.instant(), a.id));
            let filter = ActivityFilter { user_id: Some(user), ..Default::default() };
            let page = storage.queries.activities(&filter, KeysetPage { after, limit }).await?;
            ensure!(page.len() <= limit as usize, "a page of {limit} holds {}", page.len());
            if page.is_empty() {
                break;
            }
            found.extend(page);
            ensure!(found.len() <= expected.len(), "pages of {limit} repeat themselves");
        }
        ensure_eq!(found, expected, "pages of {limit}");
    }
    Ok(())
}

async fn notifications_are_paged_by_key(storage: Storage) -> Checked {
    let (user, other) = (any_user(), any_user());
    let mut all: Vec<Notification> = (0..11).map(|n| notification(user, at(n / 4))).collect();
    let mut uow = storage.begin().await?;
    for stored in &all {
        uow.notifications().insert(stored).await?;
    }
    uow.notifications().insert(&notification(other, at(0))).await?;
    uow.commit().await?;
    all.sort_by_key(|n| Reverse((n.created_at, n.id)));
    for limit in [1, 3, 4, 50] {
        let mut found: Vec<Notification> = Vec::new();
        loop {
            let after = found.last().map(|n| (n.created_at, n.id));
            let page = storage.queries.notifications(user, KeysetPage { after, limit }).await?;
            if page.is_empty() {
                break;
            }
            found.extend(page);
            ensure!(found.len() <= all.len(), "pages of {limit} repeat themselves");
        }
        ensure_eq!(found, all, "pages of {limit}");
    }
    Ok(())
}

async fn what_is_inserted_meanwhile_shifts_nothing(storage: Storage) -> Checked {
    let user = any_user();
    let dated = |n: i64| -> Checked<Activity> {
        Ok(Activity { activity_date: ActivityDate::stored(at(n)), ..bare_activity(user)? })
    };
    let old = newest_first(vec![dated(0)?, dated(1)?, dated(2)?, dated(3)?]);
    storage.insert(&old).await?;
    let filter = ActivityFilter { user_id: Some(user), ..Default::default() };
    let first = storage.queries.activities(&filter, KeysetPage { after: None, limit: 2 }).await?;
    storage.insert(&[dated(10)?, dated(11)?]).await?;
    let after = first.last().map(|a| (a.activity_date.instant(), a.id));
    let second = storage.queries.activities(&filter, KeysetPage { after, limit: 2 }).await?;
    ensure_eq!([first, second].concat(), old, "two pages with insertions in between");
    Ok(())
}
