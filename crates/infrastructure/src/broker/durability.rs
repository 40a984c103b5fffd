use activelog_application::ports::{Broker, Durability};

/// A broker keeps less than the configuration requires.
#[derive(Debug, thiserror::Error)]
#[error(
    "broker {broker} keeps an acknowledged event through {}, but the configuration requires {}: {}",
    .offered.survived(), .required.survived(), cure(*.required)
)]
pub struct DurabilityError {
    /// The adapter's name.
    pub broker: &'static str,
    /// What it offers.
    pub offered: Durability,
    /// What is required.
    pub required: Durability,
}

fn cure(required: Durability) -> String {
    format!(
        "choose a broker that survives {}, for example the URL `database:`, or require less durability",
        required.survived()
    )
}

/// Refuses a broker that keeps less than is required.
pub fn require_durability(broker: &Broker, required: Durability) -> Result<(), DurabilityError> {
    let offered = broker.capabilities.durability;
    if offered >= required { Ok(()) } else { Err(DurabilityError { broker: broker.name, offered, required }) }
}
