use std::sync::Arc;

use activelog_application::ports::{Broker, Durability, IdGenerator};
use activelog_infrastructure::broker::{BrokerRegistry, BrokerResources, JournalResources, require_durability};

use super::Storage;
use crate::config::{BrokerConfig, RequiredDurability, SecretUrl};

/// Refuses a URL that can never be connected, before anything is opened.
pub(super) fn check_broker(config: &BrokerConfig) -> anyhow::Result<()> {
    Ok(BrokerRegistry::with_builtin().check(config.url.expose())?)
}

/// Connects the broker of the configuration's URL.
pub(super) async fn connect_broker(
    config: &BrokerConfig,
    storage: &Storage,
    ids: Arc<dyn IdGenerator>,
) -> anyhow::Result<Broker> {
    let broker = connect_url(&config.url, Some(storage), ids).await?;
    require_durability(&broker, durability(config.require_durability))?;
    Ok(broker)
}

/// Connects the broker of a URL, whatever its durability. `database:` needs the storage.
pub(super) async fn connect_url(
    url: &SecretUrl,
    storage: Option<&Storage>,
    ids: Arc<dyn IdGenerator>,
) -> anyhow::Result<Broker> {
    Ok(BrokerRegistry::with_builtin().connect(url.expose(), resources(storage, ids)).await?)
}

/// What an adapter may build on.
pub(super) fn resources(storage: Option<&Storage>, ids: Arc<dyn IdGenerator>) -> BrokerResources {
    let journal = storage.map(|storage| JournalResources {
        journal: storage.journal.clone(),
        positions: storage.positions.clone(),
        leases: storage.leases.clone(),
        signal: storage.journal_signal.clone(),
    });
    BrokerResources { ids, journal }
}

/// The requirement as the port has it.
pub(super) fn durability(required: RequiredDurability) -> Durability {
    match required {
        RequiredDurability::None => Durability::None,
        RequiredDurability::ProcessCrash => Durability::ProcessCrash,
        RequiredDurability::PowerLoss => Durability::PowerLoss,
    }
}
