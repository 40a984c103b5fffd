use activelog_application::{failures::FailureFigures, ports::Finding};
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
    /// What the server behind it is, with its version where it tells; left out until it has told, and where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Redis 7.0.15")]
    pub(in crate::http) server: Option<String>,
    /// How many milliseconds that server took to answer, when it was last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 0.42)]
    pub(in crate::http) round_trip_ms: Option<f64>,
    /// Settings of that server that weaken the promise. Readiness does not depend on them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::http) warnings: Vec<WarningView>,
}

/// Something that should be looked at.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Warning)]
pub(in crate::http) struct WarningView {
    /// What it is.
    #[schema(example = "appendfsync is everysec")]
    pub(in crate::http) what: String,
    /// What it means.
    pub(in crate::http) means: String,
    /// What to do.
    pub(in crate::http) advice: String,
}

impl From<Finding> for WarningView {
    fn from(Finding { what, means, advice, .. }: Finding) -> Self {
        Self { what, means, advice }
    }
}

impl From<ComponentHealth> for ComponentView {
    fn from(health: ComponentHealth) -> Self {
        let (status, reason) = match health.status {
            ComponentStatus::Up => ("up", None),
            ComponentStatus::Degraded(reason) => ("degraded", Some(reason)),
            ComponentStatus::Down(reason) => ("down", Some(reason)),
        };
        let (mut server, mut round_trip_ms, mut warnings) = (None, None, Vec::new());
        if let Some(facts) = health.server {
            // To the microsecond.
            round_trip_ms = Some((facts.round_trip.as_secs_f64() * 1e6).round() / 1e3);
            warnings = facts.warnings.into_iter().map(WarningView::from).collect();
            server = Some(facts.product);
        }
        Self { name: health.name, status, reason, server, round_trip_ms, warnings }
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
