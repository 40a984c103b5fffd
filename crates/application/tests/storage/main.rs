//! The storage in memory passes the suite for storages, and storages with a defect fail it.

mod broken;
mod memory;
mod negative;
