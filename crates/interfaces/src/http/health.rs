use std::time::Duration;

use activelog_application::ports::Finding;
use async_trait::async_trait;

/// How a part of the process is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentStatus {
    /// It works.
    Up,
    /// It works, but not as it should, for this reason; the process stays ready.
    Degraded(String),
    /// It does not work, for this reason; the process is not ready.
    Down(String),
}

/// A part of the process and how it is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentHealth {
    /// Its name: `database`, `broker`, `relay`.
    pub name: String,
    /// How it is doing.
    pub status: ComponentStatus,
    /// The server behind it, where there is one and it has told of itself.
    pub server: Option<ServerFacts>,
}

/// What a server has told of itself. Readiness does not depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// What it is, and its version: `Redis 7.0.15`.
    pub product: String,
    /// How long it took to answer, when it was last asked.
    pub round_trip: Duration,
    /// What is not as it should be.
    pub warnings: Vec<Finding>,
}

impl ComponentHealth {
    /// The health of the component called `name`.
    pub fn new(name: impl Into<String>, status: ComponentStatus) -> Self {
        Self { name: name.into(), status, server: None }
    }

    /// With what the server behind it has told of itself.
    #[must_use]
    pub fn server(mut self, server: Option<ServerFacts>) -> Self {
        self.server = server;
        self
    }
}

/// Tells how the parts of the process are doing. The composition root implements it, as it alone knows them all.
///
/// A call may be dropped at any point: callers wait for a bounded time and count no answer as down.
#[async_trait]
pub trait HealthSource: Send + Sync + 'static {
    /// Every component that readiness depends on, each under a name of its own.
    async fn components(&self) -> Vec<ComponentHealth>;
}
