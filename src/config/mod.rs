//! The configuration: a file per section, and the layers it is put together from.
//!
//! From the weakest to the strongest: defaults, the file (`--config`, `ACTIVELOG_CONFIG`, else `activelog.toml` in the working
//! folder if there is one), the environment (`ACTIVELOG__SECTION__KEY`), the short variables of the global flags
//! (`ACTIVELOG_LISTEN` …), the flags themselves. What comes out is checked completely before anything starts: [`load`] tells all
//! problems at once, each with its key, value, rule and source. Unknown keys are refused.
//!
//! Adding a key: one field and one line in `read` of its section's file. The file formats, the environment, `activelog config`,
//! and the suggestions for mistyped keys follow from that line.

mod backpressure;
mod broker;
mod byte_size;
mod database_url;
mod error;
mod layers;
mod load;
mod log;
mod origin;
mod reader;
mod relay;
mod retention;
mod retention_age;
mod secret_url;
mod server;
mod setting;
mod storage;
mod webhooks;
mod worker;
mod yaml_bounds;

pub use backpressure::BackpressureConfig;
pub use broker::{BrokerConfig, RequiredDurability};
pub use byte_size::ByteSize;
pub use database_url::DatabaseUrl;
pub use error::{ConfigError, Problem};
pub use load::{Config, Loaded, load, load_from};
pub use log::{LogConfig, LogFormat};
pub use origin::{EffectiveValue, Origin, Shown};
pub use relay::RelayConfig;
pub use retention::RetentionConfig;
pub use retention_age::RetentionAge;
pub use secret_url::SecretUrl;
pub use server::ServerConfig;
pub use storage::StorageConfig;
pub use webhooks::WebhooksConfig;
pub use worker::WorkerConfig;
