//! Every route, one operation per file.

mod activities;
mod dead_letters;
mod docs;
mod events;
mod health;
mod leaderboard;
mod router;
mod users;

pub(super) use router::documented;
pub use router::{health_router, router};
