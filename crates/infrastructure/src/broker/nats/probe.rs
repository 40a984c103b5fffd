use std::error::Error;

use activelog_application::ports::{BrokerProbe, BrokerReport, Finding, ProbeError};
use async_nats::jetstream::{
    context::{AccountErrorKind, GetStreamErrorKind},
    stream::Config,
};
use async_trait::async_trait;
use tokio::time::Instant;

use super::{connection::Connection, settings};
use crate::broker::probing::{AnyError, bounded};

/// Asks NATS.
pub(super) struct NatsProbe(pub(super) Connection);

#[async_trait]
impl BrokerProbe for NatsProbe {
    /// Groups have no settings of their own here.
    async fn probe(&self, _group: &str) -> Result<BrokerReport, ProbeError> {
        bounded(self.ask()).await
    }
}

impl NatsProbe {
    async fn ask(&self) -> Result<BrokerReport, AnyError> {
        let connection = &self.0;
        let begun = Instant::now();
        let off = self.without_jetstream().await?;
        let round_trip = begun.elapsed();
        let server = connection.server_info();
        let mut findings = settings::of_server(&server, &connection.options);
        let laid_out = match off {
            Some(off) => {
                findings.push(off);
                false
            }
            None => {
                let stream = self.config_of(&connection.options.namespace).await?;
                let bucket = self.config_of(&format!("KV_{}", connection.bucket_name())).await?;
                findings.extend(stream.iter().flat_map(|config| settings::of_stream(config, &server)));
                findings
                    .extend(bucket.iter().filter_map(|config| settings::of_bucket(&connection.bucket_name(), config)));
                stream.is_some() && bucket.is_some()
            }
        };
        let (server, version) = ("NATS".to_owned(), Some(server.version));
        Ok(BrokerReport { server, version, round_trip, clock_ahead: None, laid_out, findings })
    }

    /// What is wrong with JetStream, if this user has none.
    async fn without_jetstream(&self) -> Result<Option<Finding>, AnyError> {
        if !self.0.is_up() {
            return Err("not connected to NATS".into());
        }
        match self.0.jetstream.query_account().await {
            Ok(_) => Ok(None),
            Err(error) => match error.kind() {
                AccountErrorKind::JetStreamUnavailable => {
                    Ok(Some(settings::without_jetstream("the server runs without it")))
                }
                AccountErrorKind::JetStream(reason) => Ok(Some(settings::without_jetstream(&reason.to_string()))),
                AccountErrorKind::TimedOut | AccountErrorKind::Other => Err(Box::new(error)),
            },
        }
    }

    /// How a stream is set; `None` when it is not there.
    async fn config_of(&self, name: &str) -> Result<Option<Config>, AnyError> {
        const NOT_FOUND: usize = 404;
        match self.0.jetstream.get_stream(name).await {
            Ok(stream) => Ok(Some(stream.cached_info().config.clone())),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(reason) if reason.code() == NOT_FOUND => Ok(None),
                _ => {
                    Err(error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")).into())
                }
            },
        }
    }
}
