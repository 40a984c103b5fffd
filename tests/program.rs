//! The program itself: the binary as users run it, with a data folder of its own, stopped, killed and misused as it will be in life.
#![cfg(all(unix, feature = "sqlite"))]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking and tells by printing"
)]

#[path = "program/aborts.rs"]
mod aborts;
#[path = "program/bad_starts.rs"]
mod bad_starts;
#[path = "program/client.rs"]
mod client;
#[path = "program/doctor.rs"]
mod doctor;
#[path = "program/failed_events.rs"]
mod failed_events;
#[path = "program/importing.rs"]
mod importing;
#[path = "program/killing.rs"]
mod killing;
#[cfg(feature = "redis")]
#[path = "program/late_brokers.rs"]
mod late_brokers;
#[path = "program/load.rs"]
mod load;
#[cfg(feature = "postgres")]
#[path = "program/outage.rs"]
mod outage;
#[path = "program/pressure.rs"]
mod pressure;
#[path = "program/process.rs"]
mod process;
#[path = "program/replaying.rs"]
mod replaying;
#[path = "program/roles.rs"]
mod roles;
#[path = "program/schedule.rs"]
mod schedule;
#[cfg(feature = "redis")]
#[path = "program/silence.rs"]
mod silence;
#[path = "program/stopping.rs"]
mod stopping;
#[path = "program/store.rs"]
mod store;
mod support;
#[path = "program/tools.rs"]
mod tools;
#[path = "program/webhooks.rs"]
mod webhooks;
