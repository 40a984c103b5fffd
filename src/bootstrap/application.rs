use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::{ActivityLog, ports::Repositories},
    failures::FailedEvents,
    orchestrator::{Orchestrator, OrchestratorOptions},
    ports::{Broker, Clock, IdGenerator},
    webhook::Webhooks,
};
use activelog_infrastructure::{clock::SystemClock, id_generator::UuidV7Generator};

use super::{SchemaPolicy, Storage, broker::connect_broker, webhooks};
use crate::config::Config;

/// Everything a role works with.
pub struct Application {
    /// The machine's clock.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn IdGenerator>,
    /// The database.
    pub storage: Storage,
    /// Runs transactions on it.
    pub orchestrator: Orchestrator<dyn Repositories>,
    /// The activity log on it.
    pub log: ActivityLog,
    /// Webhooks on it.
    pub webhooks: Webhooks,
}

/// How long transactions may take to finish after everything that begins them has stopped.
const CLOSING: Duration = Duration::from_secs(1);

impl Application {
    /// Opens the storage and puts the application together on it.
    pub async fn open(config: &Config, schema: SchemaPolicy) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdGenerator> = Arc::new(UuidV7Generator);
        let storage = Storage::open(&config.storage, clock.clone(), schema).await?;
        let options = OrchestratorOptions { timeout: config.server.request_timeout, ..Default::default() };
        let orchestrator = Orchestrator::new(storage.units.clone(), clock.clone(), ids.clone(), options);
        let log = ActivityLog::new(orchestrator.clone())?;
        let webhooks = webhooks::webhooks(&config.webhooks, orchestrator.clone())?;
        Ok(Self { clock, ids, storage, orchestrator, log, webhooks })
    }

    /// Connects the broker that the configuration names, and refuses one that is less durable than it requires.
    pub async fn broker(&self, config: &Config) -> anyhow::Result<Broker> {
        connect_broker(&config.broker, &self.storage, self.ids.clone()).await
    }

    /// The events that handlers have failed to take.
    pub fn failed_events(&self) -> FailedEvents {
        FailedEvents::new(self.storage.dead_letters.clone(), self.storage.parking.clone())
    }

    /// Finishes the transactions under way and closes the storage. Those that take longer than a moment are rolled back: what began them has given them up
    /// by now, and their events come again.
    pub async fn close(&self) {
        if tokio::time::timeout(CLOSING, self.orchestrator.close()).await.is_err() {
            tracing::warn!(
                "transactions are still under way and are rolled back; nothing of what they would have done is lost"
            );
            self.orchestrator.abort();
            self.orchestrator.close().await;
        }
        self.storage.close().await;
    }
}
