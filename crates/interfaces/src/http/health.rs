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
}

impl ComponentHealth {
    /// The health of the component called `name`.
    pub fn new(name: impl Into<String>, status: ComponentStatus) -> Self {
        Self { name: name.into(), status }
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
