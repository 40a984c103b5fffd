use std::time::Duration;

use async_trait::async_trait;

use super::{IdempotencyStore, Inbox, Outbox, Parking, StorageError};

/// How far transactions are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// READ COMMITTED: each statement sees what was committed before it.
    #[default]
    ReadCommitted,
    /// SERIALIZABLE: as if transactions ran one after the other; conflicts fail with
    /// [`StorageErrorKind::Contention`](super::StorageErrorKind::Contention) and are run again.
    Serializable,
}

/// How to begin a transaction.
#[derive(Debug, Clone, Copy)]
pub struct TransactionOptions {
    /// How far it is kept apart from others. A store may offer more than asked for, never less.
    pub isolation: Isolation,
    /// How long the caller will wait for it. A database server ends statements and lock waits no later than this by itself, so that a
    /// caller that is gone leaves nothing running; an embedded database finishes the statement at hand and rolls back.
    pub deadline: Duration,
    /// Allows the store to keep writes back until something is read or committed, so that several travel together, and to take part in
    /// the contest for its connection or lock only then. Errors of those writes, and of the wait, then come from there: at the latest from
    /// [`commit`](UnitOfWork::commit) as [`CommitError::RolledBack`]. All else stays as it is. A store that gains nothing by it does nothing.
    pub defer_writes: bool,
}

impl TransactionOptions {
    /// Options with writes that run at once.
    pub const fn new(isolation: Isolation, deadline: Duration) -> Self {
        Self { isolation, deadline, defer_writes: false }
    }
}

/// Begins units of work.
///
/// `begin` is cancel-safe: dropping its future never leaves a connection behind in a transaction. It waits for a free
/// connection for a bounded time and then fails with `Unavailable`.
#[async_trait]
pub trait UnitOfWorkFactory<U: ?Sized + UnitOfWork>: Send + Sync + 'static {
    /// Begins a transaction.
    async fn begin(&self, options: TransactionOptions) -> Result<Box<U>, StorageError>;
}

/// One database transaction, and what of the toolkit takes part in it. Applications add their repositories in a trait of
/// their own with this one as its supertrait (see [`Repositories`](crate::activity::ports::Repositories)).
///
/// - Reads see the transaction's own writes.
/// - **A failed statement poisons the unit of work**: every later operation fails, and `commit` rolls back and fails. An
///   expected conflict is an `Ok` value (`ON CONFLICT`), never an error.
/// - Dropping it without `commit` rolls back, also in the middle of a statement; the connection is clean before the next
///   transaction gets it.
/// - Once `commit` returns `Ok`, what was written survives what the store declares it survives.
#[async_trait]
pub trait UnitOfWork: Send {
    /// Where events are recorded to be published.
    fn outbox(&mut self) -> Box<dyn Outbox + '_>;

    /// Which events handlers have already taken.
    fn inbox(&mut self) -> Box<dyn Inbox + '_>;

    /// Parked events that are being tried again.
    fn parking(&mut self) -> Box<dyn Parking + '_>;

    /// Requests that have already been answered.
    fn idempotency(&mut self) -> Box<dyn IdempotencyStore + '_>;

    /// Makes everything durable and visible, or nothing. Not to be cancelled: a caller that gives up waiting does not know
    /// the outcome.
    async fn commit(self: Box<Self>) -> Result<(), CommitError>;

    /// Undoes everything.
    async fn rollback(self: Box<Self>);
}

/// A commit did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Nothing was committed.
    #[error("rolled back: {0}")]
    RolledBack(#[source] StorageError),
    /// It may have been committed or not: the answer was lost. Only an idempotency key can tell.
    #[error("outcome unknown: {0}")]
    Unknown(#[source] StorageError),
}
