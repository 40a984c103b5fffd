//! When more is written than is published and taken, or the disk fills up, writes are refused before memory or disk is in danger.
//!
//! A [`PressureMonitor`] looks, several times a second, at what waits in the outbox, how far the consumer group is behind the journal, and
//! how much room the disk has. What is beyond its bound it says to a [`PressureGauge`], which whoever takes writes asks: that costs one load of
//! an atomic as long as all is well. A pressure that is on ends at 80 % of its bound, so that it does not go on and off with every event.
//!
//! The age of the outbox leaves out its first [`SPARED_EVENTS`]: an aggregate whose event the broker refuses holds nobody else up.

mod bounds;
mod gauge;
mod monitor;
mod pressure;

pub use bounds::{PressureBounds, SPARED_EVENTS};
pub use gauge::PressureGauge;
pub use monitor::{GroupProgress, PressureMonitor, PressureSources};
pub use pressure::Pressure;
