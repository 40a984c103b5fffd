//! What the activity log needs from storage: repositories that take part in a unit of work, and read models.

#[cfg(feature = "fault-injection")]
mod effect_ledger;
mod queries;
mod repositories;

#[cfg(feature = "fault-injection")]
pub use effect_ledger::{Effect, EffectLedger, NoEffectLedger};
pub use queries::{ActivityFilter, KeysetPage, Queries};
pub use repositories::{
    AchievementRepository, ActivityRepository, LeaderboardRepository, NotificationRepository,
    PeriodStatisticsRepository, Repositories, UserRepository,
};
