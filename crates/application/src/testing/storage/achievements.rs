use std::collections::BTreeMap;

use activelog_domain::{
    achievement::{Achievement, Earned, Effort, Milestones},
    user::UserId,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    Storage,
    case::Checked,
    samples::{any_id, any_user, at, kind},
};

cases!("achievements":
    a_stored_achievement_replaces_the_one_of_its_code,
    a_user_without_efforts_has_no_milestones,
    milestones_are_those_of_all_efforts,
    milestones_follow_replaced_and_removed_efforts,
    the_lock_keeps_others_out_until_the_end,
    efforts_are_cleared_some_at_a_time,
);

async fn a_stored_achievement_replaces_the_one_of_its_code(storage: Storage) -> Checked {
    let (user, other) = (any_user(), any_user());
    let earned = |achievement, metres| Earned {
        achievement,
        activity_id: any_id(),
        achieved_at: at(1),
        distance_metres: metres,
    };
    let first = earned(Achievement::FirstActivity, None);
    let run = earned(Achievement::LongestDistance(kind("run")?), Some(42_195));
    let ride = earned(Achievement::LongestDistance(kind("trail_ride")?), Some(100_000_000));
    let longer = Earned { distance_metres: Some(50_000), activity_id: any_id(), achieved_at: at(-7), ..run.clone() };
    let mut uow = storage.begin().await?;
    let mut achievements = uow.achievements();
    for put in [&ride, &run, &first, &longer] {
        achievements.put(user, put).await?;
    }
    achievements.put(other, &first).await?;
    let expected = vec![first.clone(), longer.clone(), ride];
    ensure_eq!(achievements.list(user).await?, expected, "own writes, in the order of their codes");
    drop(achievements);
    uow.commit().await?;
    ensure_eq!(storage.queries.achievements(user).await?, expected, "by a query");
    let mut uow = storage.begin().await?;
    uow.achievements().remove(user, &Achievement::LongestDistance(kind("trail_ride")?)).await?;
    uow.achievements().remove(user, &Achievement::SevenDayStreak).await?;
    uow.commit().await?;
    ensure_eq!(storage.queries.achievements(user).await?, vec![first.clone(), longer], "after taking one back");
    ensure_eq!(storage.queries.achievements(other).await?, vec![first], "another user");
    ensure_eq!(storage.queries.achievements(any_user()).await?, vec![], "a user nobody knows");
    Ok(())
}

async fn a_user_without_efforts_has_no_milestones(storage: Storage) -> Checked {
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.achievements().milestones(any_user()).await?, Milestones::default(), "no efforts");
    uow.achievements().remove_effort(any_user(), any_id()).await?;
    uow.commit().await?;
    Ok(())
}

/// Efforts on few days, of few types and distances, so that there are many ties.
fn random_effort(random: &mut fastrand::Rng) -> Checked<Effort> {
    let names = ["run", "ride", "trail_run"];
    let day = SignedDuration::from_hours(24 * random.i64(-30..30));
    let within: i64 = *random.choice(&[0, 0, 1, 86_399_999_999]).unwrap_or(&0);
    let midnight: Timestamp = "2026-03-12T00:00:00Z".parse()?;
    Ok(Effort {
        activity_id: Uuid::from_u128(random.u128(..)),
        activity_type: kind(names[random.usize(..names.len())])?,
        date: midnight + day + SignedDuration::from_micros(within),
        distance_metres: *random
            .choice(&[None, Some(0), Some(5_000), Some(10_000), Some(100_000_000)])
            .unwrap_or(&None),
    })
}

async fn check_milestones(storage: &Storage, user: UserId, efforts: &[Effort], seed: u64) -> Checked {
    let mut uow = storage.begin().await?;
    let found = uow.achievements().milestones(user).await?;
    uow.rollback().await;
    let (expected, what) = (Milestones::of(efforts), format!("milestones of {} efforts (seed {seed})", efforts.len()));
    ensure_eq!(found.earned(), expected.earned(), "what follows from the {what}");
    // Days that do not matter to the first streak may be left out.
    let made_up = found.days.iter().find(|day| !expected.days.contains(day));
    ensure!(made_up.is_none() && found.days.is_sorted(), "days of the {what}: {made_up:?} in {:?}", found.days);
    ensure_eq!(Milestones { days: Vec::new(), ..found }, Milestones { days: Vec::new(), ..expected }, "{what}");
    Ok(())
}

async fn milestones_are_those_of_all_efforts(storage: Storage) -> Checked {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for count in [1, 9, 10, 11, 99, 100, 130] {
        let (user, other) = (any_user(), any_user());
        let efforts = (0..count).map(|_| random_effort(&mut random)).collect::<Checked<Vec<_>>>()?;
        let mut uow = storage.begin().await?;
        for effort in &efforts {
            uow.achievements().put_effort(user, effort).await?;
        }
        uow.achievements().put_effort(other, &random_effort(&mut random)?).await?;
        uow.commit().await?;
        check_milestones(&storage, user, &efforts, seed).await?;
    }
    Ok(())
}

async fn milestones_follow_replaced_and_removed_efforts(storage: Storage) -> Checked {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let user = any_user();
    let mut efforts: BTreeMap<Uuid, Effort> = BTreeMap::new();
    for _ in 0..40 {
        let known: Vec<Uuid> = efforts.keys().copied().collect();
        let mut uow = storage.begin().await?;
        match (random.u8(..4), random.choice(&known)) {
            (0, Some(id)) => {
                uow.achievements().remove_effort(user, *id).await?;
                efforts.remove(id);
            }
            (1, Some(id)) => {
                let effort = Effort { activity_id: *id, ..random_effort(&mut random)? };
                uow.achievements().put_effort(user, &effort).await?;
                efforts.insert(*id, effort);
            }
            _ => {
                let effort = random_effort(&mut random)?;
                uow.achievements().put_effort(user, &effort).await?;
                efforts.insert(effort.activity_id, effort);
            }
        }
        uow.commit().await?;
        check_milestones(&storage, user, &efforts.values().cloned().collect::<Vec<_>>(), seed).await?;
    }
    Ok(())
}

/// Whoever has the lock counts what is there and adds one: with a lock that does not hold, counts are lost.
async fn the_lock_keeps_others_out_until_the_end(storage: Storage) -> Checked {
    let user = any_user();
    let tasks = (0..4).map(|_| {
        let storage = storage.clone();
        tokio::spawn(async move {
            for _ in 0..8 {
                let count = storage.transact(|uow| {
                    Box::pin(async move {
                        let mut achievements = uow.achievements();
                        achievements.lock(user).await?;
                        let counted = achievements.list(user).await?.first().and_then(|e| e.distance_metres);
                        tokio::task::yield_now().await;
                        let achievement = Achievement::FirstActivity;
                        let distance_metres = Some(counted.unwrap_or(0) + 1);
                        let earned = Earned { achievement, activity_id: any_id(), achieved_at: at(0), distance_metres };
                        achievements.put(user, &earned).await
                    })
                });
                count.await?;
            }
            Checked::Ok(())
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    let counted = storage.queries.achievements(user).await?.first().and_then(|e| e.distance_metres);
    ensure_eq!(counted, Some(32), "counted under the lock");
    Ok(())
}

async fn efforts_are_cleared_some_at_a_time(storage: Storage) -> Checked {
    let users = [any_user(), any_user()];
    let effort = || -> Checked<Effort> {
        Ok(Effort { activity_id: any_id(), activity_type: kind("run")?, date: at(1), distance_metres: Some(5_000) })
    };
    let first = Earned {
        achievement: Achievement::FirstActivity,
        activity_id: any_id(),
        achieved_at: at(1),
        distance_metres: None,
    };
    let mut uow = storage.begin().await?;
    for user in users {
        uow.achievements().put_effort(user, &effort()?).await?;
        uow.achievements().put_effort(user, &effort()?).await?;
        uow.achievements().put(user, &first).await?;
    }
    uow.commit().await?;
    for expected in [3, 1, 0] {
        let mut uow = storage.begin().await?;
        ensure_eq!(uow.achievements().clear_efforts(3).await?, expected, "efforts that were forgotten");
        uow.commit().await?;
    }
    let mut uow = storage.begin().await?;
    for user in users {
        ensure_eq!(uow.achievements().milestones(user).await?, Milestones::default(), "what follows from no efforts");
        ensure_eq!(uow.achievements().list(user).await?, vec![first.clone()], "achievements are not efforts");
    }
    uow.commit().await?;
    Ok(())
}
