use activelog_domain::{
    achievement::{Achievement, Earned, Effort, Milestones},
    activity::Activity,
    leaderboard::Board,
    notification::Notification,
    statistics::{Figures, Period},
    user::UserId,
};
use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::unit_of_work::Access;
use crate::{
    activity::ports::{
        AchievementRepository, ActivityRepository, LeaderboardRepository, NotificationRepository,
        PeriodStatisticsRepository, UserRepository,
    },
    ports::{StorageError, StorageErrorKind},
};

#[async_trait]
impl ActivityRepository for Access<'_> {
    async fn insert(&mut self, activity: &Activity) -> Result<(), StorageError> {
        const OPERATION: &str = "insert activity";
        match self.write(OPERATION)?.activities.insert(activity.id, activity.clone()) {
            None => Ok(()),
            Some(_) => Err(self.fail(StorageErrorKind::Constraint, OPERATION, "this id is already there")),
        }
    }

    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Activity>, StorageError> {
        Ok(self.read("find activity")?.activities.get(&id).cloned())
    }

    async fn update(&mut self, activity: &Activity) -> Result<bool, StorageError> {
        let state = self.write("update activity")?;
        match state.activities.get_mut(&activity.id) {
            Some(stored) if stored.version + 1 == activity.version => {
                *stored = activity.clone();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn delete(&mut self, id: Uuid, version: u64) -> Result<bool, StorageError> {
        let state = self.write("delete activity")?;
        let there = state.activities.get(&id).is_some_and(|a| a.version == version);
        Ok(there && state.activities.remove(&id).is_some())
    }

    async fn record_import(
        &mut self,
        user: UserId,
        source: &str,
        external_id: &str,
        activity: Uuid,
    ) -> Result<bool, StorageError> {
        let state = self.write("record import")?;
        let row = (user, source.to_owned(), external_id.to_owned());
        let new = !state.imports.contains_key(&row);
        if new {
            state.imports.insert(row, activity);
        }
        Ok(new)
    }
}

#[async_trait]
impl UserRepository for Access<'_> {
    async fn add_to_totals(&mut self, user: UserId, change: Figures, _: Timestamp) -> Result<(), StorageError> {
        let totals = self.write("add to totals")?.totals.entry(user).or_default();
        *totals = *totals + change;
        Ok(())
    }

    async fn totals(&mut self, user: UserId) -> Result<Figures, StorageError> {
        Ok(self.read("read totals")?.totals.get(&user).copied().unwrap_or_default())
    }
}

#[async_trait]
impl NotificationRepository for Access<'_> {
    async fn insert(&mut self, notification: &Notification) -> Result<(), StorageError> {
        let notifications = &mut self.write("insert notification")?.notifications;
        notifications.entry(notification.id).or_insert_with(|| notification.clone());
        Ok(())
    }

    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Notification>, StorageError> {
        Ok(self.read("find notification")?.notifications.get(&id).cloned())
    }

    async fn mark_read(&mut self, id: Uuid, at: Timestamp) -> Result<(), StorageError> {
        if let Some(notification) = self.write("mark notification read")?.notifications.get_mut(&id) {
            notification.read_at.get_or_insert(at);
        }
        Ok(())
    }
}

#[async_trait]
impl PeriodStatisticsRepository for Access<'_> {
    async fn add(&mut self, user: UserId, changes: &[(Period, Date, Figures)]) -> Result<(), StorageError> {
        let periods = &mut self.write("add to period statistics")?.periods;
        for (period, start, change) in changes {
            let figures = periods.entry((user, *period, *start)).or_default();
            *figures = *figures + *change;
        }
        periods.retain(|_, figures| !figures.is_zero());
        Ok(())
    }

    async fn clear(&mut self, limit: u32) -> Result<u64, StorageError> {
        let periods = &mut self.write("clear period statistics")?.periods;
        let mut cleared = 0;
        while cleared < u64::from(limit) && periods.pop_first().is_some() {
            cleared += 1;
        }
        Ok(cleared)
    }
}

#[async_trait]
impl AchievementRepository for Access<'_> {
    async fn lock(&mut self, _: UserId) -> Result<(), StorageError> {
        // There is one unit of work at a time.
        self.read("lock achievements").map(|_| ())
    }

    async fn put_effort(&mut self, user: UserId, effort: &Effort) -> Result<(), StorageError> {
        self.write("put effort")?.efforts.entry(user).or_default().insert(effort.activity_id, effort.clone());
        Ok(())
    }

    async fn remove_effort(&mut self, user: UserId, activity_id: Uuid) -> Result<(), StorageError> {
        self.write("remove effort")?.efforts.entry(user).or_default().remove(&activity_id);
        Ok(())
    }

    async fn milestones(&mut self, user: UserId) -> Result<Milestones, StorageError> {
        let efforts = self.read("read milestones")?.efforts.get(&user);
        let efforts: Vec<Effort> = efforts.into_iter().flat_map(|e| e.values()).cloned().collect();
        Ok(Milestones::of(&efforts))
    }

    async fn list(&mut self, user: UserId) -> Result<Vec<Earned>, StorageError> {
        let state = self.read("list achievements")?;
        Ok(super::queries::by_code(state, user))
    }

    async fn put(&mut self, user: UserId, earned: &Earned) -> Result<(), StorageError> {
        let achievements = self.write("put achievement")?.achievements.entry(user).or_default();
        achievements.insert(earned.achievement.clone(), earned.clone());
        Ok(())
    }

    async fn remove(&mut self, user: UserId, achievement: &Achievement) -> Result<(), StorageError> {
        self.write("remove achievement")?.achievements.entry(user).or_default().remove(achievement);
        Ok(())
    }

    async fn clear_efforts(&mut self, limit: u32) -> Result<u64, StorageError> {
        let efforts = &mut self.write("clear efforts")?.efforts;
        let mut cleared = 0;
        for own in efforts.values_mut() {
            while cleared < u64::from(limit) && own.pop_first().is_some() {
                cleared += 1;
            }
        }
        Ok(cleared)
    }
}

#[async_trait]
impl LeaderboardRepository for Access<'_> {
    async fn add(&mut self, user: UserId, changes: &[(Board, Figures)]) -> Result<(), StorageError> {
        let boards = &mut self.write("add to leaderboards")?.leaderboards;
        for (board, change) in changes {
            let users = boards.entry(board.clone()).or_default();
            let figures = users.entry(user).or_default();
            *figures = *figures + *change;
            users.retain(|_, figures| !figures.is_zero());
        }
        Ok(())
    }

    async fn clear(&mut self, limit: u32) -> Result<u64, StorageError> {
        let boards = &mut self.write("clear leaderboards")?.leaderboards;
        let mut cleared = 0;
        for users in boards.values_mut() {
            while cleared < u64::from(limit) && users.pop_first().is_some() {
                cleared += 1;
            }
        }
        Ok(cleared)
    }
}
