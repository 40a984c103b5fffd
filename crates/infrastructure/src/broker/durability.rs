use activelog_application::ports::{Broker, Durability};

/// A broker keeps less than the configuration requires.
#[derive(Debug, thiserror::Error)]
#[error(
    "broker {broker} keeps an acknowledged event through {}, but the configuration requires {}: {}",
    .offered.survived(), .required.survived(), cure(.broker, *.required)
)]
pub struct DurabilityError {
    /// The adapter's name.
    pub broker: &'static str,
    /// What it offers.
    pub offered: Durability,
    /// What is required.
    pub required: Durability,
}

fn cure(broker: &str, required: Durability) -> String {
    let setting = match broker {
        "redis" if required == Durability::PowerLoss => {
            "set `appendfsync always` on the server, and let this user read it by `CONFIG GET`; or "
        }
        "redis" => "set `appendonly yes` on the server; or ",
        "nats" if required == Durability::PowerLoss => {
            "set `sync_interval: always` on the server and say so by `durability=power-loss` in the URL, as it tells nobody; or "
        }
        "kafka" => "set `flush.messages=1` on the topic, and let this user read it by DescribeConfigs; or ",
        _ => "",
    };
    let survived = required.survived();
    format!(
        "{setting}choose a broker that survives {survived}, for example the URL `database:`, or require less durability"
    )
}

/// Refuses a broker that keeps less than is required.
pub fn require_durability(broker: &Broker, required: Durability) -> Result<(), DurabilityError> {
    let offered = broker.capabilities.durability;
    if offered >= required { Ok(()) } else { Err(DurabilityError { broker: broker.name, offered, required }) }
}
