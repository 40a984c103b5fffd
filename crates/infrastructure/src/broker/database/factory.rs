use activelog_application::ports::Broker;
use async_trait::async_trait;

use super::{DatabaseBroker, DatabaseOptions};
use crate::broker::{BrokerFactory, BrokerResources, BrokerUrl, ConnectError, JournalResources};

/// Answers to `database:`.
#[derive(Debug, Clone, Copy, Default)]
pub struct DatabaseFactory;

#[async_trait]
impl BrokerFactory for DatabaseFactory {
    fn check(&self, url: &BrokerUrl) -> Result<(), ConnectError> {
        url.refuse_rest()
    }

    async fn connect(&self, url: &BrokerUrl, resources: &BrokerResources) -> Result<Broker, ConnectError> {
        url.refuse_rest()?;
        let what = "the application's database, which this process does not open";
        let storage = resources.journal.clone().ok_or_else(|| ConnectError::Missing { url: url.to_string(), what })?;
        let JournalResources { journal, positions, leases, signal } = storage;
        let ids = resources.ids.clone();
        Ok(DatabaseBroker::new(journal, positions, leases, signal, ids, DatabaseOptions::default()).broker())
    }
}
