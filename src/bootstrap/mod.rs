//! The only code that names adapters. It opens storage and broker by their URLs, puts the application together, and runs roles and
//! commands on it.

mod announcement;
mod application;
mod bridge;
mod broker;
mod broker_tools;
mod broker_watch;
mod dispatch;
mod doctor;
mod failures;
mod health;
mod housekeeping;
mod journal_group;
mod lifecycle;
mod messaging;
mod options;
mod replay;
mod roles;
mod storage;
mod webhooks;

pub use application::Application;
pub use dispatch::dispatch;
pub use doctor::examine;
pub use lifecycle::Lifecycle;
pub use roles::{Role, run_role};
pub use storage::{SchemaPolicy, Storage};
