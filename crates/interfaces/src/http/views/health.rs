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
}

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Liveness)]
pub(in crate::http) struct LivenessView {
    /// Always `up`.
    #[schema(example = "up")]
    pub(in crate::http) status: &'static str,
}
