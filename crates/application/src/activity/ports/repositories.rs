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

use crate::{
    ports::{StorageError, UnitOfWork},
    webhook::ports::WebhookRepository,
};

/// The repositories of the activity log in one transaction.
pub trait Repositories: UnitOfWork {
    /// Activities.
    fn activities(&mut self) -> Box<dyn ActivityRepository + '_>;
    /// Users and their totals.
    fn users(&mut self) -> Box<dyn UserRepository + '_>;
    /// Notifications.
    fn notifications(&mut self) -> Box<dyn NotificationRepository + '_>;
    /// Weekly and monthly figures.
    fn period_statistics(&mut self) -> Box<dyn PeriodStatisticsRepository + '_>;
    /// Achievements.
    fn achievements(&mut self) -> Box<dyn AchievementRepository + '_>;
    /// Leaderboards.
    fn leaderboards(&mut self) -> Box<dyn LeaderboardRepository + '_>;
    /// Webhooks.
    fn webhooks(&mut self) -> Box<dyn WebhookRepository + '_>;

    /// What fault suites count effects in. Storages that such suites do not run on keep none.
    #[cfg(feature = "fault-injection")]
    fn effect_ledger(&mut self) -> Box<dyn super::EffectLedger + '_> {
        Box::new(super::NoEffectLedger)
    }
}

/// Activities. Versions make changes optimistic: a change names the version it was made from.
#[async_trait]
pub trait ActivityRepository: Send {
    /// Stores a new activity. Its id being there already is a `Constraint` error.
    async fn insert(&mut self, activity: &Activity) -> Result<(), StorageError>;

    /// The activity, locked against other transactions until this one ends. `None` if there is none.
    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Activity>, StorageError>;

    /// Stores the activity if the stored version is one less than its own. `false` if it is not.
    async fn update(&mut self, activity: &Activity) -> Result<bool, StorageError>;

    /// Deletes the activity if it has this version. `false` if it does not.
    async fn delete(&mut self, id: Uuid, version: u64) -> Result<bool, StorageError>;

    /// Records that `user` has imported the row called `external_id` from `source` as `activity`. `false` if they have before.
    async fn record_import(
        &mut self,
        user: UserId,
        source: &str,
        external_id: &str,
        activity: Uuid,
    ) -> Result<bool, StorageError>;
}

/// Users and the totals that are counted in the transaction of the activity itself.
#[async_trait]
pub trait UserRepository: Send {
    /// Adds to the user's totals. Makes the user known if they are not.
    async fn add_to_totals(&mut self, user: UserId, change: Figures, now: Timestamp) -> Result<(), StorageError>;

    /// The user's totals; zeros for a user nobody knows.
    async fn totals(&mut self, user: UserId) -> Result<Figures, StorageError>;
}

/// Notifications.
#[async_trait]
pub trait NotificationRepository: Send {
    /// Stores a notification, unless one with its id is there: nothing happens then. What must be told once, whatever is done again, has an id made from what
    /// it tells.
    async fn insert(&mut self, notification: &Notification) -> Result<(), StorageError>;

    /// The notification, locked until the transaction ends. `None` if there is none.
    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Notification>, StorageError>;

    /// Notes when it was read. Reading it again keeps the first time.
    async fn mark_read(&mut self, id: Uuid, at: Timestamp) -> Result<(), StorageError>;
}

/// Weekly and monthly figures, a projection. Changes add up, whatever their order: figures may pass through negative values
/// when one activity's events are handled before another's.
#[async_trait]
pub trait PeriodStatisticsRepository: Send {
    /// Adds to the figures of these periods, in one statement where the store can. Entries that are zero afterwards are removed.
    async fn add(&mut self, user: UserId, changes: &[(Period, Date, Figures)]) -> Result<(), StorageError>;

    /// Removes up to `limit` entries, whoever they belong to. Answers how many; 0 when none is left.
    async fn clear(&mut self, limit: u32) -> Result<u64, StorageError>;
}

/// Achievements, a projection with its own copy of what it needs of activities.
#[async_trait]
pub trait AchievementRepository: Send {
    /// Keeps other transactions from changing this user's achievements until this one ends.
    async fn lock(&mut self, user: UserId) -> Result<(), StorageError>;

    /// Keeps an effort, in place of an earlier one of the same activity.
    async fn put_effort(&mut self, user: UserId, effort: &Effort) -> Result<(), StorageError>;

    /// Forgets an activity's effort.
    async fn remove_effort(&mut self, user: UserId, activity_id: Uuid) -> Result<(), StorageError>;

    /// What achievements follow from, over all efforts of the user.
    async fn milestones(&mut self, user: UserId) -> Result<Milestones, StorageError>;

    /// The user's achievements, in the order of their codes.
    async fn list(&mut self, user: UserId) -> Result<Vec<Earned>, StorageError>;

    /// Stores an achievement, in place of what is stored for the same code.
    async fn put(&mut self, user: UserId, earned: &Earned) -> Result<(), StorageError>;

    /// Takes an achievement back.
    async fn remove(&mut self, user: UserId, achievement: &Achievement) -> Result<(), StorageError>;

    /// Forgets up to `limit` efforts, whoever made them. Answers how many; 0 when none is left. Achievements stay as they are until
    /// they are settled by the efforts that are put afterwards.
    async fn clear_efforts(&mut self, limit: u32) -> Result<u64, StorageError>;
}

/// Leaderboards, a projection that adds up like the period figures.
#[async_trait]
pub trait LeaderboardRepository: Send {
    /// Adds to the user's figures on these boards, in one statement where the store can. Entries that are zero afterwards are
    /// removed.
    async fn add(&mut self, user: UserId, changes: &[(Board, Figures)]) -> Result<(), StorageError>;

    /// Removes up to `limit` entries, of whatever user and board. Answers how many; 0 when none is left.
    async fn clear(&mut self, limit: u32) -> Result<u64, StorageError>;
}
