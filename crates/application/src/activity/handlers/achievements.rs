use std::collections::BTreeMap;

use activelog_domain::{
    achievement::{Achievement, Earned},
    activity::ActivitySnapshot,
    notification::Notification,
    user::UserId,
};
use async_trait::async_trait;
use uuid::Uuid;

use super::ActivityChange;
use crate::{
    activity::ports::Repositories,
    delivery::{EventHandler, HandlerError, Projection, Received},
    orchestrator::Step,
    ports::StorageError,
};

/// The kind of notification that tells of an achievement.
pub const ACHIEVEMENT_UNLOCKED: &str = "achievement.unlocked";

const NAME: &str = "achievements";

/// Keeps achievements true to the user's present activities, whatever the order in which events of different activities
/// arrive: takes back what is no longer earned, and tells the user of what they did not have before.
#[derive(Debug, Clone, Copy, Default)]
pub struct AchievementsHandler;

#[async_trait]
impl<E: ActivityChange> EventHandler<E, dyn Repositories> for AchievementsHandler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn handle(
        &self,
        received: &Received<'_, E>,
        step: &mut Step<'_, dyn Repositories>,
    ) -> Result<(), HandlerError> {
        let change = received.event.change();
        let effort = |part: Option<&ActivitySnapshot>| part.map(ActivitySnapshot::effort).transpose();
        let previous = effort(change.previous).map_err(HandlerError::permanent)?;
        let current = effort(change.current).map_err(HandlerError::permanent)?;
        if previous == current {
            // A new title, say: nothing that achievements follow from.
            return Ok(());
        }
        let mut achievements = step.tx().achievements();
        // Two activities of one user may be handled at the same time; each must see what the other did.
        achievements.lock(change.user).await?;
        match (current, previous) {
            (Some(effort), _) => achievements.put_effort(change.user, &effort).await?,
            (None, Some(effort)) => achievements.remove_effort(change.user, effort.activity_id).await?,
            (None, None) => {}
        }
        let earned = achievements.milestones(change.user).await?.earned();
        let stored = achievements.list(change.user).await?;
        drop(achievements);
        settle(step, change.user, stored, &earned).await.map_err(HandlerError::from)
    }
}

/// Achievements themselves stay: they are settled by the first event of their user that comes again, and nobody is told of them twice.
#[async_trait]
impl Projection<dyn Repositories> for AchievementsHandler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn clear(&self, limit: u32, step: &mut Step<'_, dyn Repositories>) -> Result<u64, StorageError> {
        step.tx().achievements().clear_efforts(limit).await
    }
}

/// Makes what is stored what is earned, and notifies of what was not there in any form.
async fn settle(
    step: &mut Step<'_, dyn Repositories>,
    user: UserId,
    stored: Vec<Earned>,
    earned: &[Earned],
) -> Result<(), StorageError> {
    let mut stored: BTreeMap<Achievement, Earned> = stored.into_iter().map(|e| (e.achievement.clone(), e)).collect();
    for now_earned in earned {
        let before = stored.remove(&now_earned.achievement);
        if before.as_ref() == Some(now_earned) {
            continue;
        }
        step.tx().achievements().put(user, now_earned).await?;
        if before.is_none() {
            let notification = unlocked(step, user, now_earned);
            step.tx().notifications().insert(&notification).await?;
        }
    }
    for lost in stored.keys() {
        step.tx().achievements().remove(user, lost).await?;
    }
    Ok(())
}

/// The message about an achievement. It has the same id whenever it is made, so that nobody is told of one twice, however often its events come.
fn unlocked(step: &Step<'_, dyn Repositories>, user: UserId, earned: &Earned) -> Notification {
    Notification {
        id: Uuid::new_v5(&user.0, earned.achievement.code().as_bytes()),
        user_id: user,
        kind: ACHIEVEMENT_UNLOCKED.to_owned(),
        message: message(earned),
        created_at: step.now(),
        read_at: None,
    }
}

fn message(earned: &Earned) -> String {
    match &earned.achievement {
        Achievement::FirstActivity => "Achievement unlocked: your first activity".to_owned(),
        Achievement::TenActivities => "Achievement unlocked: 10 activities".to_owned(),
        Achievement::HundredActivities => "Achievement unlocked: 100 activities".to_owned(),
        Achievement::SevenDayStreak => "Achievement unlocked: active on 7 days in a row".to_owned(),
        Achievement::LongestDistance(kind) => {
            let metres = earned.distance_metres.unwrap_or(0);
            format!("Achievement unlocked: your longest {kind}, {}.{:03} km", metres / 1_000, metres % 1_000)
        }
    }
}

#[cfg(test)]
mod tests {
    use activelog_domain::{
        activity::{Activity, ActivityCreated},
        event::{EventEnvelope, EventMetadata},
        user::Actor,
    };
    use uuid::Uuid;

    use super::*;
    use crate::{
        activity::{
            fixture::{ANNA, Fixture},
            ports::Queries,
            use_cases::DeleteActivity,
        },
        delivery::InvocationError,
    };

    async fn codes(f: &Fixture) -> Vec<String> {
        let earned = f.store.achievements(ANNA).await.expect("achievements");
        earned.into_iter().map(|e| e.achievement.code()).collect()
    }

    /// The messages about achievements, by their text.
    async fn messages(f: &Fixture) -> Vec<String> {
        let all = f.notifications(ANNA).await.into_iter().filter(|n| n.kind == ACHIEVEMENT_UNLOCKED);
        let mut all: Vec<_> = all.map(|n| n.message).collect();
        all.sort();
        all
    }

    async fn delete(f: &mut Fixture, activity: &Activity) {
        let input = DeleteActivity { actor: Actor::Operator, id: activity.id, expected: None };
        f.log.delete(input).await.expect("a deleted activity");
        f.handle_all().await;
    }

    const FIRST: &str = "Achievement unlocked: your first activity";

    #[tokio::test]
    async fn a_longer_distance_replaces_the_longest_without_another_message() {
        let mut f = Fixture::new();
        f.created(1, 5_000).await;
        let longer = f.created(2, 7_005).await;
        f.handle_all().await;
        assert_eq!(codes(&f).await, ["first_activity", "longest_distance:run"]);
        let longest = f.store.achievements(ANNA).await.expect("achievements").pop();
        assert_eq!(longest.map(|e| (e.activity_id, e.distance_metres)), Some((longer.id, Some(7_005))));
        assert_eq!(messages(&f).await, [FIRST, "Achievement unlocked: your longest run, 5.000 km"]);
    }

    #[tokio::test]
    async fn what_is_taken_back_can_be_earned_again_and_is_told_once() {
        let mut f = Fixture::new();
        let only = f.created(1, 0).await;
        f.handle_all().await;
        assert_eq!(codes(&f).await, ["first_activity"]);
        delete(&mut f, &only).await;
        assert_eq!(codes(&f).await, Vec::<String>::new());
        assert_eq!(messages(&f).await, [FIRST]);
        f.created(2, 0).await;
        f.handle_all().await;
        assert_eq!(codes(&f).await, ["first_activity"]);
        assert_eq!(messages(&f).await, [FIRST]);
    }

    #[tokio::test]
    async fn deleting_the_first_passes_the_achievement_on_silently() {
        let mut f = Fixture::new();
        let (first, second) = (f.created(1, 0).await, f.created(2, 0).await);
        f.handle_all().await;
        delete(&mut f, &first).await;
        let earned = f.store.achievements(ANNA).await.expect("achievements");
        assert_eq!(earned.iter().map(|e| e.activity_id).collect::<Vec<_>>(), [second.id]);
        assert_eq!(messages(&f).await, [FIRST]);
    }

    #[tokio::test]
    async fn ten_activities_and_a_week_without_a_gap() {
        let mut f = Fixture::new();
        for day in 1..=10 {
            f.created(day, 0).await;
        }
        f.handle_all().await;
        assert_eq!(codes(&f).await, ["first_activity", "seven_day_streak", "ten_activities"]);
        let streak = "Achievement unlocked: active on 7 days in a row";
        assert_eq!(messages(&f).await, ["Achievement unlocked: 10 activities", streak, FIRST]);
    }

    #[tokio::test]
    async fn data_that_makes_no_sense_is_a_permanent_failure() {
        let f = Fixture::new();
        let mut activity = ActivitySnapshot::from(&f.created(1, 5_000).await);
        activity.activity_type = "läuft".to_owned();
        let context = f.store.outbox().remove(0);
        let metadata = EventMetadata {
            id: Uuid::from_u128(7),
            time: context.time,
            correlation_id: context.correlation_id,
            causation_id: None,
            trace: None,
        };
        let event =
            EventEnvelope::seal(&ActivityCreated { activity, tags: Vec::new() }, metadata).expect("an envelope");
        for handler in ["achievements", "leaderboard"] {
            let result = f.handle_by(handler, &event).await;
            assert!(matches!(result, Err(InvocationError::Permanent(_))), "{handler}: {result:?}");
        }
    }
}
