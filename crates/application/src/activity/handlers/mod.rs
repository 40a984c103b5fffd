//! What follows from events, one handler per file.
//!
//! # Adding a handler
//!
//! Write one file here: a struct with a stable name, an `impl EventHandler` for each event it takes (or for every
//! [`ActivityChange`], when only the difference matters), its tests. Then register it in [`register`]. If what it keeps is nothing but a function of the
//! events, implement [`Projection`](crate::delivery::Projection) too and list it in [`projections`]: its events can then be replayed.

mod achievements;
mod change;
mod leaderboard;
mod period_statistics;
mod registration;

pub use achievements::{ACHIEVEMENT_UNLOCKED, AchievementsHandler};
pub use change::{ActivityChange, Change};
pub use leaderboard::LeaderboardHandler;
pub use period_statistics::PeriodStatisticsHandler;
pub use registration::{projections, register};
