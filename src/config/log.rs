use tracing_subscriber::EnvFilter;

use super::reader::Reader;

/// The database driver's own warnings stay out: what matters of them is logged by whoever used it, with what was being done, and
/// the rest (`relation "_sqlx_migrations" already exists`) tells an operator nothing.
const DEFAULT_FILTER: &str = "info,sqlx=error,async_nats=warn,lapin=error,lapin::returned_messages=off";

/// `[log]`: what is logged, to standard error.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Levels per module, as `tracing` filters are written: `info`, `warn,activelog=debug`.
    pub filter: String,
    /// Lines for people or for machines.
    pub format: LogFormat,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("log");
        Self {
            filter: section.get_if("filter", DEFAULT_FILTER.to_owned(), |filter| {
                let rule = || "must be a filter such as \"info\" or \"warn,activelog=debug\"".to_owned();
                EnvFilter::try_new(filter).map(drop).map_err(|_| rule())
            }),
            format: section.choice("format", LogFormat::Text, &[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        }
    }
}
