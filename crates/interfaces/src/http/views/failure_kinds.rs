use activelog_application::ports::{DeadLetterState, DeathReason};
use serde::Serialize;
use utoipa::ToSchema;

/// Whether something was done about a dead letter.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = DeadLetterState)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum DeadLetterStateKind {
    /// Nothing yet.
    Dead,
    /// It is parked again.
    Replaying,
    /// It was replayed, and its handler has taken it.
    Replayed,
    /// It will never be taken.
    Discarded,
}

impl From<DeadLetterState> for DeadLetterStateKind {
    fn from(state: DeadLetterState) -> Self {
        match state {
            DeadLetterState::Dead => Self::Dead,
            DeadLetterState::Replaying => Self::Replaying,
            DeadLetterState::Replayed => Self::Replayed,
            DeadLetterState::Discarded => Self::Discarded,
        }
    }
}

/// Why an event was given up on.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = DeathReason)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum DeathReasonKind {
    /// All attempts have failed.
    Exhausted,
    /// The handler says that trying again will never help.
    Permanent,
    /// Its data cannot be read, or its version is not known.
    Undecodable,
    /// The process ended while the handler had it, again and again.
    Crashed,
}

impl From<DeathReason> for DeathReasonKind {
    fn from(reason: DeathReason) -> Self {
        match reason {
            DeathReason::Exhausted => Self::Exhausted,
            DeathReason::Permanent => Self::Permanent,
            DeathReason::Undecodable => Self::Undecodable,
            DeathReason::Crashed => Self::Crashed,
        }
    }
}
