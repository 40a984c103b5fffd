//! `doctor`: looks at configuration, database, broker, clocks and files, and changes nothing.

mod broker;
mod clock;
mod configuration;
mod database;
mod examine;

pub use examine::examine;
