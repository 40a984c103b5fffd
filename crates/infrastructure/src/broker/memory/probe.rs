use std::time::Duration;

use activelog_application::ports::{BrokerProbe, BrokerReport, Finding, ProbeError};
use async_trait::async_trait;

/// There is no server to ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct MemoryProbe;

#[async_trait]
impl BrokerProbe for MemoryProbe {
    async fn probe(&self, _group: &str) -> Result<BrokerReport, ProbeError> {
        let lost = Finding::warning(
            "events are kept in the memory of this process",
            "what is published and not yet handled is lost when the process ends",
            "use it for tests and trials; otherwise choose another broker, such as `database:`",
        );
        Ok(BrokerReport {
            server: "memory".to_owned(),
            version: None,
            round_trip: Duration::ZERO,
            clock_ahead: None,
            laid_out: true,
            findings: vec![lost],
        })
    }
}
