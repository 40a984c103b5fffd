//! The innermost layer: what an event is, and what an activity log is about.
//!
//! This crate does no I/O and knows no runtime. It has two halves:
//!
//! - [`event`]: [`DomainEvent`](event::DomainEvent) and the [`EventEnvelope`](event::EventEnvelope) an event travels
//!   in. It knows nothing of activities and serves any domain.
//! - [`activity`], [`user`], [`notification`], [`statistics`], [`achievement`], [`leaderboard`], [`webhook`]: the activity log.
//!
//! # Adding an event
//!
//! 1. Declare a struct with serde derives and implement [`DomainEvent`](event::DomainEvent) for it: `NAME`,
//!    `VERSION` and the aggregate it belongs to (see [`activity::ActivityCreated`]).
//! 2. Add its golden JSON to `crates/domain/tests/golden/` and a line to `crates/domain/tests/golden.rs`. The file
//!    stays for ever: data once published must keep decoding.
//! 3. Record it in a use case (`step.record(event)`) and register handlers for it (`router.on::<YourEvent>(…)`).
//!
//! # Changing an event
//!
//! What has been published stays: in the journal, in outboxes, on its way, among parked events and dead letters. So a published
//! shape is never changed; it gets a successor, and a step that leads there. Handlers only ever see the newest version.
//!
//! 1. Change the struct and raise `VERSION` by one. A field that is added, removed or renamed, and one that means something else
//!    than before, are a change; so is a field with a default. A snapshot that several events share changes all of them.
//! 2. Write the step as a pure function from the old data to the new, next to the event, and append it to `UPCASTERS`
//!    (`Upcaster::new(1, …)` leads from 1 to 2). It must say what was true then: an empty list where there was none, not a guess.
//!    The build stops while steps and version do not fit together. Steps that are there stay as they are.
//! 3. Leave the golden JSON of the old version where it is. In `crates/domain/tests/golden.rs`, have it opened as the newest
//!    version (`check_old`), and add the new version's own file. See `activity.created`, versions 1 and 2.
//! 4. Upgrade the workers before what publishes. A worker that gets a version it does not know fails for good and says so; the
//!    event waits among the dead letters until it is replayed by a worker that knows it.

pub mod achievement;
pub mod activity;
pub mod event;
pub mod leaderboard;
pub mod notification;
pub mod statistics;
pub mod user;
pub mod validation;
pub mod webhook;
