use std::sync::Arc;

use activelog_application::ports::{BrokerProbe, BrokerReport, Journal, ProbeError};
use async_trait::async_trait;
use tokio::time::Instant;

use crate::broker::probing::bounded;

/// Asks the storage that has the journal. What that is, and how durable, is the storage's own to tell.
pub(super) struct DatabaseProbe(pub(super) Arc<dyn Journal>);

#[async_trait]
impl BrokerProbe for DatabaseProbe {
    async fn probe(&self, _group: &str) -> Result<BrokerReport, ProbeError> {
        let begun = Instant::now();
        bounded(async { Ok(self.0.heads().await?) }).await?;
        Ok(BrokerReport {
            server: "the journal in the database".to_owned(),
            version: None,
            round_trip: begun.elapsed(),
            clock_ahead: None,
            laid_out: true,
            findings: Vec::new(),
        })
    }
}
