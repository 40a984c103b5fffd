use std::time::Duration;

use async_trait::async_trait;

use crate::ports::Broker;

/// Connects a case to a broker.
#[async_trait]
pub trait BrokerFixture: Send + Sync + 'static {
    /// The adapter, for people: `memory`, `database on SQLite`.
    fn name(&self) -> &str;

    /// A fresh connection to the same namespace, which no other fixture shares.
    async fn broker(&self) -> Broker;

    /// How long what must happen may take.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// How long to look for what must not happen.
    fn quiet(&self) -> Duration {
        Duration::from_millis(250)
    }
}
