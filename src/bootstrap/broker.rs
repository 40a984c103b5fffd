use std::sync::Arc;

use activelog_application::ports::{Broker, IdGenerator};
use activelog_infrastructure::broker::{BrokerRegistry, BrokerResources, JournalResources, require_durability};

use super::Storage;
use crate::config::BrokerConfig;

/// Connects the broker of the configuration's URL.
pub(super) async fn connect_broker(
    config: &BrokerConfig,
    storage: &Storage,
    ids: Arc<dyn IdGenerator>,
) -> anyhow::Result<Broker> {
    let journal = JournalResources {
        journal: storage.journal.clone(),
        positions: storage.positions.clone(),
        leases: storage.leases.clone(),
        signal: storage.journal_signal.clone(),
    };
    let resources = BrokerResources { ids, journal: Some(journal) };
    let broker = BrokerRegistry::with_builtin().connect(config.url(), resources).await?;
    require_durability(&broker, config.require_durability.into())?;
    Ok(broker)
}
