//! The cases, by what they are about.

pub(super) mod close;
pub(super) mod fidelity;
pub(super) mod groups;
pub(super) mod order;
pub(super) mod patterns;
pub(super) mod publish;
pub(super) mod settle;
