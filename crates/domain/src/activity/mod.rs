//! Activities: runs, rides, swims.

mod entity;
mod events;
mod values;

pub use entity::{Activity, ActivityChanges, ActivityDraft};
pub use events::{ActivityCreated, ActivityDeleted, ActivitySnapshot, ActivityUpdated};
pub use values::{ActivityDate, ActivityType, Calories, Description, Distance, Duration, Notes, Title, utc_day};
