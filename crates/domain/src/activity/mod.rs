//! Activities: runs, rides, swims.

mod entity;
mod events;
mod tags;
mod values;

pub use entity::{Activity, ActivityChanges, ActivityDraft};
pub use events::{ActivityCreated, ActivityDeleted, ActivitySnapshot, ActivityUpdated};
pub use tags::{Tag, Tags};
pub use values::{ActivityDate, ActivityType, Calories, Description, Distance, Duration, Notes, Title, utc_day};
