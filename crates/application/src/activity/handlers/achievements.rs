use std::collections::BTreeMap;

use activelog_domain::{
    achievement::{Achievement, Earned},
    activity::ActivitySnapshot,
    notification::Notification,
    user::UserId,
};
use async_trait::async_trait;

use super::ActivityChange;
use crate::{
    activity::ports::Repositories,
    delivery::{EventHandler, HandlerError, Received},
    orchestrator::Step,
    ports::StorageError,
};

/// The kind of notification that tells of an achievement.
pub const ACHIEVEMENT_UNLOCKED: &str = "achievement.unlocked";

/// Keeps achievements true to the user's present activities, whatever the order in which events of different activities
/// arrive: takes back what is no longer earned, and tells the user of what they did not have before.
#[derive(Debug, Clone, Copy, Default)]
pub struct AchievementsHandler;

#[async_trait]
impl<E: ActivityChange> EventHandler<E, dyn Repositories> for AchievementsHandler {
    fn name(&self) -> &'static str {
        "achievements"
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

/// The message about an achievement.
fn unlocked(step: &Step<'_, dyn Repositories>, user: UserId, earned: &Earned) -> Notification {
    Notification {
        id: step.next_id(),
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
