use activelog_domain::user::UserId;
use uuid::Uuid;

/// Why a request about webhooks is refused. Front ends find it with
/// [`OrchestratorError::rejection`](crate::orchestrator::OrchestratorError::rejection).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The user has no such webhook.
    #[error("there is no webhook {id}")]
    NotFound {
        /// The id asked for.
        id: Uuid,
    },
    /// The actor may not act for the user.
    #[error("this may be done by user {user} and the operator alone")]
    Forbidden {
        /// Whose it is.
        user: UserId,
    },
    /// The user has as many as one may have.
    #[error("user {user} has {most} webhooks already: delete one first")]
    TooMany {
        /// The user.
        user: UserId,
        /// The most one may have.
        most: u32,
    },
    /// This installation sends nothing.
    #[error("webhooks are switched off in this installation")]
    SwitchedOff,
}
