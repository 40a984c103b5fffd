use activelog_application::failures::FailureFigures;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ComponentHealth, ComponentStatus};

/// How a part of the process is doing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Component)]
pub(in crate::http) struct ComponentView {
    /// Its name.
    #[schema(example = "database")]
    pub(in crate::http) name: String,
    /// `up`, `degraded` or `down`.
    #[schema(example = "up")]
    pub(in crate::http) status: &'static str,
    /// Why it is not up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) reason: Option<String>,
}

impl From<ComponentHealth> for ComponentView {
    fn from(health: ComponentHealth) -> Self {
        let (status, reason) = match health.status {
            ComponentStatus::Up => ("up", None),
            ComponentStatus::Degraded(reason) => ("degraded", Some(reason)),
            ComponentStatus::Down(reason) => ("down", Some(reason)),
        };
        Self { name: health.name, status, reason }
    }
}

/// How much waits to be published.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutboxDepth)]
pub(in crate::http) struct OutboxView {
    /// Events.
    #[schema(example = 0)]
    pub(in crate::http) events: u64,
    /// When the oldest was recorded; null if none waits.
    #[schema(required = true)]
    pub(in crate::http) oldest: Option<Timestamp>,
}

/// How much handlers have failed to take.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FailureFigures)]
pub(in crate::http) struct FailuresView {
    /// Dead letters that nothing was done about, counted up to 1,000,000.
    #[schema(example = 0)]
    pub(in crate::http) dead_letters: u64,
    /// Events that wait for another attempt, or behind one that does, counted up to 100,000.
    #[schema(example = 0)]
    pub(in crate::http) parked_events: u64,
    /// Aggregates, by handler, that wait until something is done about a dead letter.
    #[schema(example = 0)]
    pub(in crate::http) held_lanes: u64,
}

impl From<FailureFigures> for FailuresView {
    fn from(FailureFigures { dead_letters, parked }: FailureFigures) -> Self {
        Self { dead_letters, parked_events: parked.events, held_lanes: parked.held_lanes }
    }
}

/// How the process is doing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(in crate::http) struct HealthView {
    /// The worst of the components: `up`, `degraded` or `down`.
    #[schema(example = "up")]
    pub(in crate::http) status: &'static str,
    /// The parts of the process.
    pub(in crate::http) components: Vec<ComponentView>,
    /// What waits to be published; left out of readiness and when it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) outbox: Option<OutboxView>,
    /// What handlers have failed to take; left out of readiness and when it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) failures: Option<FailuresView>,
}

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Liveness)]
pub(in crate::http) struct LivenessView {
    /// Always `up`.
    #[schema(example = "up")]
    pub(in crate::http) status: &'static str,
}
