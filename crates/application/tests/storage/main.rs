//! The storage in memory passes the suite for storages, and storages with a defect fail it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says where")]

mod broken;
mod fake;
mod memory;
mod negative;
mod negative_parking;
