use std::collections::{BTreeMap, HashMap, HashSet};

use activelog_domain::{
    achievement::{Achievement, Earned, Effort},
    activity::Activity,
    event::EventEnvelope,
    leaderboard::Board,
    notification::Notification,
    statistics::{Figures, Period},
    user::UserId,
};
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::webhooks::StoredWebhook;
use crate::{
    ports::{ScheduledEvent, StoredResponse},
    testing::memory_failures::FailureTables,
};

/// A claimed idempotency key.
#[derive(Debug, Clone)]
pub(super) struct ClaimedKey {
    /// The request's.
    pub(super) fingerprint: [u8; 16],
    /// Once there is one.
    pub(super) answer: Option<StoredResponse>,
    pub(super) claimed_at: Timestamp,
}

/// Everything that is stored. A unit of work changes a copy, which the commit puts in place of the original.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) activities: BTreeMap<Uuid, Activity>,
    pub(super) imports: BTreeMap<(UserId, String, String), Uuid>,
    pub(super) totals: BTreeMap<UserId, Figures>,
    pub(super) notifications: BTreeMap<Uuid, Notification>,
    pub(super) periods: BTreeMap<(UserId, Period, Date), Figures>,
    pub(super) efforts: BTreeMap<UserId, BTreeMap<Uuid, Effort>>,
    pub(super) achievements: BTreeMap<UserId, BTreeMap<Achievement, Earned>>,
    pub(super) leaderboards: BTreeMap<Board, BTreeMap<UserId, Figures>>,
    pub(super) webhooks: BTreeMap<Uuid, StoredWebhook>,
    pub(super) outbox: Vec<EventEnvelope>,
    pub(super) event_ids: HashSet<Uuid>,
    pub(super) sequences: HashSet<(String, u64)>,
    pub(super) failures: FailureTables,
    pub(super) idempotency: HashMap<(String, String), ClaimedKey>,
    /// By row.
    pub(super) scheduled: BTreeMap<i64, ScheduledEvent>,
    pub(super) last_scheduled: i64,
}
