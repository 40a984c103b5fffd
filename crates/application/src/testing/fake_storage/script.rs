use std::sync::Arc;

use crate::{ports::StorageErrorKind, testing::Gate};

/// Where a [`FakeStorage`](super::FakeStorage) can be made to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// Beginning a unit of work.
    Begin,
    /// Appending to the outbox.
    Append,
    /// Recording in the inbox.
    Record,
    /// Taking a parked event off its lane.
    Take,
    /// Parking an event.
    Park,
    /// Making an event a dead letter that was not parked.
    Bury,
    /// Claiming lanes.
    ClaimLanes,
    /// Renewing claims of lanes.
    RenewLanes,
    /// Reading the events of a lane.
    ReadLane,
    /// Postponing a parked event.
    Postpone,
    /// Giving a parked event up.
    GiveUp,
    /// Giving a lane back.
    ReleaseLane,
    /// Counting, making and erasing crash marks.
    CrashMark,
    /// All else that is done about failures: lists, dead letters, runs, replays.
    Failures,
    /// Claiming an idempotency key.
    Claim,
    /// Keeping an answer.
    Answer,
    /// Committing.
    Commit,
    /// Rolling back.
    Rollback,
}

/// What happens at a [`Point`] instead of, or before, what should.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Nothing unusual.
    Normal,
    /// It fails with this kind. A statement poisons the unit of work; a commit is rolled back.
    Fail(StorageErrorKind),
    /// The answer of a commit, or of another transaction of its own, is lost, after it was done or not.
    Lost {
        /// Whether it was done.
        committed: bool,
    },
    /// It panics.
    Panic,
    /// It waits at the gate and then goes on as it should.
    Wait(Arc<Gate>),
    /// It waits at the gate and then fails with this kind.
    WaitAndFail(Arc<Gate>, StorageErrorKind),
}

impl Point {
    /// The point of an operation of [`MemoryFailures`](crate::testing::MemoryFailures).
    pub(super) fn of(operation: &str) -> Self {
        match operation {
            "park event" => Self::Park,
            "bury event" => Self::Bury,
            "claim lanes" => Self::ClaimLanes,
            "renew claims" => Self::RenewLanes,
            "read lane" => Self::ReadLane,
            "postpone parked event" => Self::Postpone,
            "give up parked event" => Self::GiveUp,
            "release lane" => Self::ReleaseLane,
            "count crash marks" | "make crash mark" | "erase crash marks" => Self::CrashMark,
            _ => Self::Failures,
        }
    }
}
