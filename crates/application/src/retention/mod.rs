//! What has been dealt with is removed after a while.
//!
//! A [`Keeper`] walks through inbox, journal, idempotency keys, dead letters and the traces of crashed workers, and removes what is older than
//! its [`RetentionPolicy`] says, batch by batch with pauses in between, so that nobody waits for it. Of several keepers one works at
//! a time. What somebody still needs is kept whatever its age: see the [`Retention`](crate::ports::Retention) port.

mod keeper;
mod policy;
mod sweep;

pub use keeper::{JournalGroup, Keeper, KeeperOptions, KeeperStores};
pub use policy::{RetentionPolicy, Swept};
