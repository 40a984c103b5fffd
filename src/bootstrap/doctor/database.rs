use activelog_application::ports::Finding;
use jiff::SignedDuration;

use crate::config::{Config, DatabaseUrl};

/// What was found of the database.
#[derive(Debug, Default)]
pub(super) struct Inspected {
    pub(super) findings: Vec<Finding>,
    pub(super) permissions: Vec<Finding>,
    pub(super) clock_ahead: Option<SignedDuration>,
    /// Whether it can be opened and worked on as it is.
    pub(super) usable: bool,
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl From<activelog_infrastructure::persistence::DatabaseReport> for Inspected {
    fn from(report: activelog_infrastructure::persistence::DatabaseReport) -> Self {
        let activelog_infrastructure::persistence::DatabaseReport { findings, permissions, clock_ahead, usable } =
            report;
        Self { findings, permissions, clock_ahead, usable }
    }
}

/// Looks at the database that the configuration names.
pub(super) async fn inspect(config: &Config) -> Inspected {
    match &config.storage.database_url {
        DatabaseUrl::Sqlite { path } => sqlite(config, path).await,
        DatabaseUrl::Postgres { url } => postgres(config, url).await,
    }
}

#[cfg(feature = "sqlite")]
async fn sqlite(config: &Config, path: &std::path::Path) -> Inspected {
    use activelog_infrastructure::persistence::sqlite;
    let least_free = config.backpressure.min_free_disk.bytes();
    sqlite::inspect(path, config.storage.acquire_timeout, least_free).await.into()
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(_: &Config, _: &std::path::Path) -> Inspected {
    not_compiled("sqlite")
}

#[cfg(feature = "postgres")]
async fn postgres(config: &Config, url: &crate::config::SecretUrl) -> Inspected {
    use activelog_infrastructure::persistence::postgres;
    match postgres::PgOptions::new(url.expose()) {
        Ok(mut options) => {
            options.max_connections = config.storage.max_connections;
            postgres::inspect(&options).await.into()
        }
        Err(error) => {
            let wrong = Finding::error(error.to_string(), "nothing can work without a database", "correct the URL");
            Inspected { findings: vec![wrong], ..Inspected::default() }
        }
    }
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: &Config, _: &crate::config::SecretUrl) -> Inspected {
    not_compiled("postgres")
}

#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
fn not_compiled(feature: &str) -> Inspected {
    let missing = Finding::error(
        format!("this program was compiled without {feature}"),
        "it cannot open the database",
        format!("rebuild it with `--features {feature}`, or name another database"),
    );
    Inspected { findings: vec![missing], ..Inspected::default() }
}
