use activelog_application::ports::{BrokerProbe, BrokerReport, Clock, ProbeError};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use redis::cmd;
use tokio::time::Instant;

use super::{connection::Connection, settings::Settings};
use crate::{
    broker::probing::{AnyError, bounded},
    clock::SystemClock,
};

/// Asks Redis.
pub(super) struct RedisProbe(pub(super) Connection);

#[async_trait]
impl BrokerProbe for RedisProbe {
    /// Groups have no settings of their own here. Keys are made when they are first written: there is nothing to lay out.
    async fn probe(&self, _group: &str) -> Result<BrokerReport, ProbeError> {
        bounded(self.ask()).await
    }
}

impl RedisProbe {
    async fn ask(&self) -> Result<BrokerReport, AnyError> {
        let mut commands = self.0.commands();
        let (begun, asked_at) = (Instant::now(), SystemClock.now());
        let (seconds, micros): (i64, i64) = cmd("TIME").query_async(&mut commands).await?;
        let round_trip = begun.elapsed();
        let told = Timestamp::from_microsecond(seconds.saturating_mul(1_000_000).saturating_add(micros))?;
        let clock_ahead = told.duration_since(asked_at) - SignedDuration::try_from(round_trip / 2)?;
        let settings = Settings::read(commands).await?;
        let (server, version) = settings.product();
        let (clock_ahead, findings) = (Some(clock_ahead), settings.findings());
        Ok(BrokerReport { server, version, round_trip, clock_ahead, laid_out: true, findings })
    }
}
