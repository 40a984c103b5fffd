use std::sync::Arc;

use activelog_application::{
    activity::{ActivityLog, ports::Repositories},
    orchestrator::{Orchestrator, OrchestratorOptions},
    ports::{Broker, Clock, IdGenerator},
};
use activelog_infrastructure::{clock::SystemClock, id_generator::UuidV7Generator};

use super::{SchemaPolicy, Storage, broker::connect_broker};
use crate::config::Config;

/// Everything a role works with.
pub(crate) struct Application {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdGenerator>,
    pub(crate) storage: Storage,
    pub(crate) orchestrator: Orchestrator<dyn Repositories>,
    pub(crate) log: ActivityLog,
}

impl Application {
    /// Opens the storage and puts the application together on it.
    pub(crate) async fn open(config: &Config, schema: SchemaPolicy) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdGenerator> = Arc::new(UuidV7Generator);
        let storage = Storage::open(&config.storage, clock.clone(), schema).await?;
        let options = OrchestratorOptions { timeout: config.server.request_timeout, ..Default::default() };
        let orchestrator = Orchestrator::new(storage.units.clone(), clock.clone(), ids.clone(), options);
        let log = ActivityLog::new(orchestrator.clone())?;
        Ok(Self { clock, ids, storage, orchestrator, log })
    }

    /// Connects the broker that the configuration names, and refuses one that is less durable than it requires.
    pub(crate) async fn broker(&self, config: &Config) -> anyhow::Result<Broker> {
        connect_broker(&config.broker, &self.storage, self.ids.clone()).await
    }

    /// Finishes the transactions under way and closes the storage.
    pub(crate) async fn close(&self) {
        self.orchestrator.close().await;
        self.storage.close().await;
    }
}
