use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use activelog_interfaces::cli::GlobalFlags;

use super::{
    BackpressureConfig, BrokerConfig, ConfigError, EffectiveValue, LogConfig, RelayConfig, RetentionConfig,
    ServerConfig, StorageConfig, WebhooksConfig, WorkerConfig,
    layers::{Environment, Layers},
    reader::Reader,
};

/// Everything that can be configured, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The HTTP API.
    pub server: ServerConfig,
    /// Where data is kept.
    pub storage: StorageConfig,
    /// What carries events.
    pub broker: BrokerConfig,
    /// From the outbox to the broker.
    pub relay: RelayConfig,
    /// From the broker to the handlers.
    pub worker: WorkerConfig,
    /// When writes are refused.
    pub backpressure: BackpressureConfig,
    /// How long what has been dealt with is kept.
    pub retention: RetentionConfig,
    /// Telling other programs of events.
    pub webhooks: WebhooksConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// A configuration and how it came about.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Every key with its effective value and where that came from, by section; without secrets.
    pub origins: Vec<EffectiveValue>,
}

/// Loads the configuration of this process: its environment, its working folder, and these flags.
///
/// # Errors
/// When the file cannot be read, or with everything that is wrong with keys and values.
pub fn load(flags: &GlobalFlags) -> Result<Loaded, ConfigError> {
    // Paths stay relative to the working folder: messages then name them as they were written.
    load_from(flags, std::env::vars_os().collect(), &PathBuf::new())
}

/// Loads the configuration of a process with this environment that works in this folder.
///
/// # Errors
/// As for [`load`].
pub fn load_from(
    flags: &GlobalFlags,
    environment: Vec<(OsString, OsString)>,
    folder: &Path,
) -> Result<Loaded, ConfigError> {
    let layers = Layers::collect(flags, &Environment(environment), folder)?;
    let mut reader = Reader::new(layers.given, layers.problems);
    let server = ServerConfig::read(&mut reader);
    let storage = StorageConfig::read(&mut reader);
    let broker = BrokerConfig::read(&mut reader);
    let relay = RelayConfig::read(&mut reader);
    let worker = WorkerConfig::read(&mut reader);
    let backpressure = BackpressureConfig::read(&mut reader);
    let retention = RetentionConfig::read(&mut reader, backpressure.max_outbox_age, worker.longest_backoff());
    let webhooks = WebhooksConfig::read(&mut reader);
    let log = LogConfig::read(&mut reader);
    let config = Config { server, storage, broker, relay, worker, backpressure, retention, webhooks, log };
    let origins = reader.finish().map_err(ConfigError::Invalid)?;
    Ok(Loaded { config, origins })
}

#[cfg(test)]
mod tests;
