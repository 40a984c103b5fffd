use uuid::Uuid;

use crate::log::ClientLog;

/// An activity in its table.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) id: Uuid,
    pub(crate) title: String,
    pub(crate) version: u64,
    pub(crate) minutes: u32,
}

/// An event in the journal.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) partition: u16,
    pub(crate) position: u64,
    pub(crate) event_id: Uuid,
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    /// The title of the activity it tells of.
    pub(crate) title: String,
}

/// A line of the ledger.
#[derive(Debug, Clone)]
pub(crate) struct LedgerLine {
    /// Lines ascend in the order they were written.
    pub(crate) number: i64,
    pub(crate) event_id: Uuid,
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    /// The highest sequence of the subject that the transaction saw.
    pub(crate) saw: Option<u64>,
}

/// An event that a handler was given up on, or that is parked.
#[derive(Debug, Clone)]
pub(crate) struct Dead {
    pub(crate) handler: String,
    pub(crate) event_id: Uuid,
}

/// Everything that is known when nothing moves any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    pub(crate) log: ClientLog,
    pub(crate) activities: Vec<Stored>,
    /// By partition and position.
    pub(crate) journal: Vec<Published>,
    /// By number.
    pub(crate) ledger: Vec<LedgerLine>,
    pub(crate) dead: Vec<Dead>,
    pub(crate) parked: Vec<Dead>,
    /// How many events each handler of the application has taken.
    pub(crate) taken: Vec<(String, u64)>,
    /// Notifications of new activities.
    pub(crate) notifications: u64,
    /// Where projections differ from a recomputation.
    pub(crate) projections: Option<String>,
}
