//! The broker in memory.
