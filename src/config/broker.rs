use super::{SecretUrl, reader::Reader};

/// `[broker]`: what carries events from the relay to the workers.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// Selects and addresses the broker.
    pub url: SecretUrl,
    /// The durability it has to offer; one that offers less is refused at start.
    pub require_durability: RequiredDurability,
}

/// The least that an acknowledged publish must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequiredDurability {
    /// Nothing is required.
    None,
    /// A kill of the broker's process.
    ProcessCrash,
    /// A loss of power.
    PowerLoss,
}

impl BrokerConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("broker");
        Self {
            url: section.get("url", SecretUrl::new("database:")),
            require_durability: section.choice(
                "require_durability",
                RequiredDurability::None,
                &[
                    ("none", RequiredDurability::None),
                    ("process-crash", RequiredDurability::ProcessCrash),
                    ("power-loss", RequiredDurability::PowerLoss),
                ],
            ),
        }
    }
}
