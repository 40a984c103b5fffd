use std::{sync::Arc, time::Duration};

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;

use super::StorageError;

/// The most events one read of a lane, or one page of a list, returns.
pub const PARKING_PAGE_MAX: u32 = 500;

/// The most text of an error that is kept, in bytes. What is longer is cut at a character's boundary.
pub const ERROR_TEXT_MAX: usize = 4 * 1024;

/// An event on its way to one handler.
#[derive(Debug, Clone, PartialEq)]
pub struct Addressed {
    /// The handler's name.
    pub handler: String,
    /// The consumer group it runs in, for those who look on.
    pub group: String,
    /// The event.
    pub event: Arc<EventEnvelope>,
}

/// What came of the attempts to have a handler take an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// How many attempts have failed.
    pub attempts: u32,
    /// When the first did.
    pub first_at: Timestamp,
    /// When the last did.
    pub last_at: Timestamp,
    /// The last error with its causes, outermost first, joined by `: `; at most [`ERROR_TEXT_MAX`].
    pub error: String,
}

/// An event that waits for another attempt, or behind one that does.
#[derive(Debug, Clone, PartialEq)]
pub struct ParkedEvent {
    /// Its place: events of a lane are taken in the order of their places.
    pub place: i64,
    /// The event and who is to take it.
    pub addressed: Addressed,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// What its attempts came to. `None` for one that only waits behind another.
    pub failures: Option<Failures>,
}

/// A lane that this worker retries: the parked events of one handler and partition key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimedLane {
    /// The handler's name.
    pub handler: String,
    /// The partition key.
    pub key: String,
    /// Rises with every claim: the fencing token.
    pub epoch: i64,
}

/// What becomes of a lane after one of its events was given up on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AfterDeadLetter {
    /// The next event of the lane is taken, as if this one had never been.
    Continue,
    /// The lane waits until an operator has replayed or discarded the dead letter.
    Hold,
}

/// Why an event was given up on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeathReason {
    /// All attempts have failed.
    Exhausted,
    /// The handler says that trying again will never help.
    Permanent,
    /// The event's data cannot be read as what its name and version say, or its version is not known.
    Undecodable,
    /// The process ended while the handler had the event, again and again.
    Crashed,
}

impl DeathReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Exhausted, Self::Permanent, Self::Undecodable, Self::Crashed];

    /// Its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Permanent => "permanent",
            Self::Undecodable => "undecodable",
            Self::Crashed => "crashed",
        }
    }

    /// The reason called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// A page of a list, newest or first come first as the list says.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<i64>,
}

/// Which parked events to list. Every condition that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParkedFilter {
    /// The handler.
    pub handler: Option<String>,
    /// The event's name.
    pub event: Option<String>,
    /// The event's subject.
    pub subject: Option<String>,
}

/// How much is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParkingDepth {
    /// Events, counted up to 100,000.
    pub events: u64,
    /// Lanes that wait for an operator because of a dead letter.
    pub held_lanes: u64,
}

/// What the transaction of a retry does.
#[async_trait]
pub trait Parking: Send {
    /// Takes a parked event off its lane, together with the effects of the transaction. `false`, with no effect, when the lane has been
    /// claimed by another since, the event is no longer there, or the handler's events are being replayed: the transaction must be rolled
    /// back. Until the transaction has ended, nobody else can claim the lane.
    ///
    /// When a dead letter of this handler and event is being replayed, it becomes `Replayed` with it.
    async fn take(&mut self, lane: &ClaimedLane, place: i64) -> Result<bool, StorageError>;
}

/// Where events wait that a handler has failed to take: one lane per handler and partition key.
///
/// - A lane exists as long as it holds events, waits for an operator, or is being emptied. While it exists,
///   [`Inbox::record`](super::Inbox::record) answers [`Intake::Behind`](super::Intake::Behind) for its handler and key.
/// - One worker at a time retries a lane. It claims it for a bounded time and renews the claim; a claim that ran out can be given to another
///   and is then fenced: every method that gets an older [`ClaimedLane`] fails with
///   [`StorageErrorKind::Fenced`](super::StorageErrorKind::Fenced) and has no effect.
/// - Every method is one transaction.
#[async_trait]
pub trait ParkingStore: Send + Sync + 'static {
    /// Parks an event that has failed (`failures`), or comes behind one that has (`None`), at the end of its lane, and records it in the
    /// inbox. Events of its subject with a higher sequence that are parked for the handler come behind it: they arrived while what is earlier was
    /// replayed. A lane that is new has its first attempt at `due`; one that is there keeps its own time. `false`, with no effect, when the
    /// handler has taken the event, or it is parked, or a dead letter, already.
    async fn park(
        &self,
        addressed: &Addressed,
        failures: Option<&Failures>,
        due: Timestamp,
    ) -> Result<bool, StorageError>;

    /// Makes an event a dead letter without parking it first, and records it in the inbox. With [`AfterDeadLetter::Hold`] its lane waits from
    /// now on. Later events of its subject come behind its place, and `false`, with no effect, is answered, as for [`park`](Self::park).
    async fn bury(
        &self,
        addressed: &Addressed,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<bool, StorageError>;

    /// Claims up to `limit` lanes of `handlers` that are due at `now`, longest due first, until `now` + `lease`. Never one that is held,
    /// claimed, or of a handler whose events are being replayed.
    async fn claim(
        &self,
        handlers: &[&str],
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<ClaimedLane>, StorageError>;

    /// Extends claims to `until`. Answers those that are still held; the others have gone to another worker.
    async fn renew(&self, lanes: &[ClaimedLane], until: Timestamp) -> Result<Vec<ClaimedLane>, StorageError>;

    /// The first `limit` events of a claimed lane (at most [`PARKING_PAGE_MAX`]), in order. None ends the lane: it is removed in the same
    /// transaction, so that nothing can come in between.
    async fn events(&self, lane: &ClaimedLane, limit: u32) -> Result<Vec<ParkedEvent>, StorageError>;

    /// Records another failure of the lane's event at `place`, and gives the lane back until `due`.
    async fn postpone(
        &self,
        lane: &ClaimedLane,
        place: i64,
        failures: &Failures,
        due: Timestamp,
    ) -> Result<(), StorageError>;

    /// Makes the lane's event at `place` a dead letter. With [`AfterDeadLetter::Hold`] the lane waits and the claim ends; otherwise the
    /// claim goes on.
    async fn give_up(
        &self,
        lane: &ClaimedLane,
        place: i64,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<(), StorageError>;

    /// Gives a lane back as it is, due at once. A lane that is claimed by another already is left alone.
    async fn release(&self, lane: &ClaimedLane) -> Result<(), StorageError>;

    /// When the next lane of `handlers` can be claimed; in the past when one can be now. `None` when none waits.
    async fn next_due(&self, handlers: &[&str]) -> Result<Option<Timestamp>, StorageError>;

    /// Parked events in the order of their places, from after place `after`.
    async fn list(
        &self,
        filter: &ParkedFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Listed<ParkedEvent>, StorageError>;

    /// How much is parked.
    async fn depth(&self) -> Result<ParkingDepth, StorageError>;
}
