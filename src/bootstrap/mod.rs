//! The composition root: the only code that names adapters. It opens storage and broker by their URLs, puts the application
//! together, and runs the roles.

mod announcement;
mod application;
mod broker;
mod health;
mod lifecycle;
mod options;
mod roles;
mod storage;

pub(crate) use application::Application;
pub(crate) use lifecycle::Lifecycle;
pub(crate) use roles::{Role, run_roles};
pub(crate) use storage::{SchemaPolicy, Storage};
