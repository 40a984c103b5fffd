use std::{fmt, sync::Arc};

use super::{
    ports::Repositories,
    use_cases::{
        AcceptImport, ChangeActivity, CorrectStatistics, CreateActivity, DeleteActivity, ImportActivity,
        MarkNotificationRead, MarkRead, NewActivity, RecordImport, RemoveActivity, SendNotification, UpdateActivity,
        UpdateStatistics,
    },
};
use crate::orchestrator::{Chain, ChainError, CheckedChain, Orchestrator, Run};

/// What a front end may ask of the activity log. Cheap to clone.
///
/// Every method answers a [`Run`]: nothing happens until it is awaited, and then everything happens in one transaction, or
/// nothing. A refusal is an [`ActivityError`](super::ActivityError). Dropping an awaited run lets its transaction go on to its end.
#[derive(Clone)]
pub struct ActivityLog {
    orchestrator: Orchestrator<dyn Repositories>,
    chains: Arc<Chains>,
}

/// The chains, checked once.
struct Chains {
    create: CheckedChain<dyn Repositories, NewActivity>,
    update: CheckedChain<dyn Repositories, UpdateActivity>,
    delete: CheckedChain<dyn Repositories, DeleteActivity>,
    import: CheckedChain<dyn Repositories, ImportActivity>,
    mark_notification_read: CheckedChain<dyn Repositories, MarkNotificationRead>,
}

impl Chains {
    fn build() -> Result<Self, ChainError> {
        Ok(Self {
            create: Chain::new().then(CreateActivity).then(SendNotification).then(UpdateStatistics).build()?,
            update: Chain::new().then(ChangeActivity).then(CorrectStatistics).build()?,
            delete: Chain::new().then(RemoveActivity).then(CorrectStatistics).build()?,
            import: Chain::new()
                .then(AcceptImport)
                .then(CreateActivity)
                .then(RecordImport)
                .then(SendNotification)
                .then(UpdateStatistics)
                .build()?,
            mark_notification_read: Chain::new().then(MarkRead).build()?,
        })
    }
}

impl ActivityLog {
    /// The activity log, its transactions run by `orchestrator`. Builds and checks every chain, once.
    pub fn new(orchestrator: Orchestrator<dyn Repositories>) -> Result<Self, ChainError> {
        Ok(Self { orchestrator, chains: Arc::new(Chains::build()?) })
    }

    /// Creates an activity, notifies its user and adds to their totals.
    ///
    /// Outputs: [`Activity`](activelog_domain::activity::Activity), [`Notification`](activelog_domain::notification::Notification).
    /// Refusals: `Forbidden`.
    pub fn create(&self, input: NewActivity) -> Run<dyn Repositories> {
        self.orchestrator.run(&self.chains.create, input)
    }

    /// Changes an activity and corrects the totals. A change that changes nothing stores nothing, records no event and keeps the
    /// version.
    ///
    /// Outputs: [`Activity`](activelog_domain::activity::Activity) as it now is. Refusals: `NotFound`, `Forbidden`,
    /// `VersionMismatch`.
    pub fn update(&self, input: UpdateActivity) -> Run<dyn Repositories> {
        self.orchestrator.run(&self.chains.update, input)
    }

    /// Deletes an activity and corrects the totals.
    ///
    /// Outputs: [`Activity`](activelog_domain::activity::Activity) as it last was. Refusals: `NotFound`, `Forbidden`,
    /// `VersionMismatch`.
    pub fn delete(&self, input: DeleteActivity) -> Run<dyn Repositories> {
        self.orchestrator.run(&self.chains.delete, input)
    }

    /// Creates an activity from a row of another service's export, once per user, source and row.
    ///
    /// Outputs: as [`create`](Self::create). Refusals: `Forbidden`, `AlreadyImported`.
    pub fn import(&self, input: ImportActivity) -> Run<dyn Repositories> {
        self.orchestrator.run(&self.chains.import, input)
    }

    /// Notes that a user has read a notification. Reading it again keeps the first time.
    ///
    /// Outputs: [`Notification`](activelog_domain::notification::Notification). Refusals: `Forbidden`, `NotificationNotFound`.
    pub fn mark_notification_read(&self, input: MarkNotificationRead) -> Run<dyn Repositories> {
        self.orchestrator.run(&self.chains.mark_notification_read, input)
    }
}

impl fmt::Debug for ActivityLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityLog").field("create", &self.chains.create).finish_non_exhaustive()
    }
}
