use activelog_domain::{
    achievement::Earned,
    activity::{Activity, ActivityType},
    leaderboard::{Board, Standing},
    notification::Notification,
    statistics::{Figures, Period, PeriodStatistics},
    user::UserId,
};
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::ports::StorageError;

/// Which activities to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Whose.
    pub user_id: Option<UserId>,
    /// Which type.
    pub activity_type: Option<ActivityType>,
    /// Not before this activity date.
    pub from: Option<Timestamp>,
    /// Before this activity date.
    pub to: Option<Timestamp>,
}

/// A page by key: what comes after the last item of the page before, so that items inserted meanwhile shift nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysetPage {
    /// The (time, id) of the last item seen; `None` for the first page.
    pub after: Option<(Timestamp, Uuid)>,
    /// The most items.
    pub limit: u32,
}

/// Reads outside of transactions, for showing. Served by connections of their own, so that readers do not wait for writers.
#[async_trait]
pub trait Queries: Send + Sync + 'static {
    /// An activity. `None` if there is none.
    async fn activity(&self, id: Uuid) -> Result<Option<Activity>, StorageError>;

    /// Activities, newest activity date first, then by id descending.
    async fn activities(&self, filter: &ActivityFilter, page: KeysetPage) -> Result<Vec<Activity>, StorageError>;

    /// A user's totals. `None` for a user nobody knows.
    async fn totals(&self, user: UserId) -> Result<Option<Figures>, StorageError>;

    /// A user's weekly and monthly figures, latest first; at most `limit`.
    async fn periods(
        &self,
        user: UserId,
        period: Option<Period>,
        limit: u32,
    ) -> Result<Vec<PeriodStatistics>, StorageError>;

    /// A user's notifications, newest first by (creation, id).
    async fn notifications(&self, user: UserId, page: KeysetPage) -> Result<Vec<Notification>, StorageError>;

    /// A user's achievements, in the order of their codes.
    async fn achievements(&self, user: UserId) -> Result<Vec<Earned>, StorageError>;

    /// Standings of a board after rank `after`, best first: by distance, then minutes, then number of activities, then user id.
    async fn leaderboard(&self, board: &Board, after: u64, limit: u32) -> Result<Vec<Standing>, StorageError>;

    /// Fails unless the database answers.
    async fn ping(&self) -> Result<(), StorageError>;
}
