//! What the activity log needs from storage: repositories that take part in a unit of work, and read models.

mod queries;
mod repositories;

pub use queries::{ActivityFilter, KeysetPage, Queries};
pub use repositories::{
    AchievementRepository, ActivityRepository, LeaderboardRepository, NotificationRepository,
    PeriodStatisticsRepository, Repositories, UserRepository,
};
