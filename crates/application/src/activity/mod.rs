//! The activity log itself: what users do, and what follows from it.

pub mod handlers;
pub mod ports;
pub mod use_cases;
