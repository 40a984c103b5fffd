use activelog_domain::{
    achievement::Earned,
    activity::Activity,
    leaderboard::{Board, Standing},
    notification::Notification,
    statistics::{Figures, Period, PeriodStatistics},
    user::UserId,
};
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{MemoryRepositories, state::State};
use crate::{
    activity::{
        ports::{ActivityFilter, KeysetPage, Queries},
        projections::standings,
    },
    ports::StorageError,
};

/// A user's achievements, in the order of their codes.
pub(super) fn by_code(state: &State, user: UserId) -> Vec<Earned> {
    let mut earned: Vec<Earned> = state.achievements.get(&user).into_iter().flat_map(|a| a.values()).cloned().collect();
    earned.sort_by_key(|e| e.achievement.code());
    earned
}

/// The page of items that are newest first by their keys.
fn page<T>(mut items: Vec<T>, key: impl Fn(&T) -> (Timestamp, Uuid), page: KeysetPage) -> Vec<T> {
    items.retain(|item| page.after.is_none_or(|after| key(item) < after));
    items.sort_by_key(|item| std::cmp::Reverse(key(item)));
    items.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
    items
}

fn wanted(filter: &ActivityFilter, activity: &Activity) -> bool {
    let at = activity.activity_date.instant();
    filter.user_id.is_none_or(|user| user == activity.user_id)
        && filter.activity_type.as_ref().is_none_or(|kind| *kind == activity.activity_type)
        && filter.from.is_none_or(|from| at >= from)
        && filter.to.is_none_or(|to| at < to)
}

#[async_trait]
impl Queries for MemoryRepositories {
    async fn activity(&self, id: Uuid) -> Result<Option<Activity>, StorageError> {
        self.shared().check("query activity")?;
        Ok(self.committed().activities.get(&id).cloned())
    }

    async fn activities(&self, filter: &ActivityFilter, keyset: KeysetPage) -> Result<Vec<Activity>, StorageError> {
        self.shared().check("query activities")?;
        let found = self.committed().activities.values().filter(|a| wanted(filter, a)).cloned().collect();
        Ok(page(found, |a: &Activity| (a.activity_date.instant(), a.id), keyset))
    }

    async fn totals(&self, user: UserId) -> Result<Option<Figures>, StorageError> {
        self.shared().check("query totals")?;
        Ok(self.committed().totals.get(&user).copied())
    }

    async fn periods(
        &self,
        user: UserId,
        period: Option<Period>,
        limit: u32,
    ) -> Result<Vec<PeriodStatistics>, StorageError> {
        self.shared().check("query periods")?;
        let state = self.committed();
        let own = state.periods.iter().filter(|((u, p, _), _)| *u == user && period.is_none_or(|wanted| wanted == *p));
        let mut periods: Vec<PeriodStatistics> = own
            .map(|((_, period, start), f)| PeriodStatistics { period: *period, start: *start, figures: *f })
            .collect();
        periods.sort_by(|a, b| b.start.cmp(&a.start).then(a.period.cmp(&b.period)));
        periods.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(periods)
    }

    async fn notifications(&self, user: UserId, keyset: KeysetPage) -> Result<Vec<Notification>, StorageError> {
        self.shared().check("query notifications")?;
        let own = self.committed().notifications.values().filter(|n| n.user_id == user).cloned().collect();
        Ok(page(own, |n: &Notification| (n.created_at, n.id), keyset))
    }

    async fn achievements(&self, user: UserId) -> Result<Vec<Earned>, StorageError> {
        self.shared().check("query achievements")?;
        Ok(by_code(&self.committed(), user))
    }

    async fn leaderboard(&self, board: &Board, after: u64, limit: u32) -> Result<Vec<Standing>, StorageError> {
        self.shared().check("query leaderboard")?;
        let users = self.committed().leaderboards.get(board).cloned().unwrap_or_default();
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(standings(users).into_iter().skip(after).take(limit).collect())
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.shared().check("ping")
    }
}
