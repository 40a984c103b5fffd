//! Imports of whole files through the use cases, on a store in memory.

mod files;
mod fixture;
mod parsing;
mod resuming;
