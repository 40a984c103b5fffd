use activelog_domain::user::UserId;
use uuid::Uuid;

/// Why the activity log refuses a request. Front ends find it with
/// [`OrchestratorError::rejection`](crate::orchestrator::OrchestratorError::rejection).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActivityError {
    /// There is no such activity.
    #[error("there is no activity {id}")]
    NotFound {
        /// The id asked for.
        id: Uuid,
    },
    /// The activity has changed since the caller read it.
    #[error("activity {id} is at version {current}, not {expected}: read it again before changing it")]
    VersionMismatch {
        /// The activity.
        id: Uuid,
        /// The version the caller named.
        expected: u64,
        /// The version it has.
        current: u64,
    },
    /// The actor may not act for the user.
    #[error("this may be done by user {user} and the operator alone")]
    Forbidden {
        /// Whose it is.
        user: UserId,
    },
    /// The user has no such notification.
    #[error("there is no notification {id}")]
    NotificationNotFound {
        /// The id asked for.
        id: Uuid,
    },
    /// The user has imported this row before.
    #[error("row {external_id:?} of {import_source:?} has been imported before")]
    AlreadyImported {
        /// Where the row comes from.
        import_source: String,
        /// What it is called there.
        external_id: String,
    },
}
