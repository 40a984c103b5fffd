use std::{fmt, str::FromStr, time::Duration};

use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use super::super::DatabaseError;

/// The time after which the server itself ends a statement, a wait for a lock, or a transaction nobody uses. Shorter deadlines
/// are set per transaction.
pub(super) const SERVER_LIMIT: Duration = Duration::from_secs(60);

/// Connections for what the toolkit itself lives on: relay, journal, leases, health.
pub(super) const SYSTEM_CONNECTIONS: u32 = 4;

/// A URL that may hold a password: neither `Debug` nor an error shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL with all it holds.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretUrl(…)")
    }
}

/// How to reach a PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PgOptions {
    /// `postgres://user:password@host:port/database?…`, with libpq's parameters.
    pub url: SecretUrl,
    /// The most connections for units of work. Read models use up to half as many more, and the toolkit up to 4.
    pub max_connections: u32,
    /// How long to wait for a free connection, or for the server to come back, before failing as unavailable.
    pub acquire_timeout: Duration,
}

impl PgOptions {
    /// Checks a URL; 16 connections, 2 seconds to wait for one.
    pub fn new(url: &str) -> Result<Self, DatabaseError> {
        let options = Self { url: SecretUrl::new(url), max_connections: 16, acquire_timeout: Duration::from_secs(2) };
        options.driver_options().map(|_| options)
    }

    /// The most connections for read models.
    pub(super) fn query_connections(&self) -> u32 {
        (self.max_connections / 2).max(2)
    }

    /// The most connections in all.
    pub(super) fn most_connections(&self) -> u32 {
        self.max_connections.saturating_add(self.query_connections()).saturating_add(SYSTEM_CONNECTIONS)
    }

    /// The driver's form, with the server's settings as connection defaults, so that they cost no round trip.
    pub(super) fn driver_options(&self) -> Result<PgConnectOptions, DatabaseError> {
        const EXPECTED: &str = "expected postgres://user:password@host:port/database";
        let url = self.url.expose();
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            let scheme = url.split_once("://").map_or("none", |(scheme, _)| scheme);
            return Err(DatabaseError::InvalidUrl { reason: format!("its scheme is {scheme:?}; {EXPECTED}") });
        }
        let parsed = PgConnectOptions::from_str(url)
            .map_err(|error| DatabaseError::InvalidUrl { reason: format!("{}; {EXPECTED}", reason(error)) })?;
        let milliseconds = SERVER_LIMIT.as_millis().to_string();
        Ok(parsed
            .application_name("activelog")
            .options([
                ("statement_timeout", milliseconds.as_str()),
                ("lock_timeout", lock_limit(SERVER_LIMIT).as_millis().to_string().as_str()),
                ("idle_in_transaction_session_timeout", milliseconds.as_str()),
                // Compiling takes longer than any statement of ours runs.
                ("jit", "off"),
            ])
            .disable_statement_logging())
    }

    /// Where the database is, without user and password.
    pub(super) fn location(options: &PgConnectOptions) -> String {
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        match options.get_socket() {
            Some(socket) => format!("{} (socket), database {database}", socket.display()),
            None => format!("{}:{}, database {database}", options.get_host(), options.get_port()),
        }
    }
}

/// Waits for locks end a little before their statement does, so that they are told apart: they are worth another try.
pub(super) fn lock_limit(statement: Duration) -> Duration {
    statement.mul_f32(0.9).max(Duration::from_millis(1))
}

/// Why a URL does not parse. The parser's messages name the part that is wrong, never its content; anything else is
/// left out.
fn reason(error: sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(source) => source.to_string(),
        _ => "it does not parse".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_url_is_refused_without_repeating_the_password() {
        for url in [
            "mysql://me:hush@db/x",
            "postgres://me:hush@db:notaport/x",
            "hush",
            "postgres://me:hush@db/x?sslmode=hush2",
        ] {
            let error = PgOptions::new(url).expect_err("not a PostgreSQL URL").to_string();
            assert!(error.contains("postgres://user:password@host:port/database"), "{error}");
            assert!(!error.contains("me:hush"), "{error}");
        }
    }

    #[test]
    fn debug_and_location_hide_the_password() {
        let options = PgOptions::new("postgres://me:hush@db.example:5433/log").expect("a valid URL");
        let location = PgOptions::location(&options.driver_options().expect("a valid URL"));
        assert_eq!(location, "db.example:5433, database log");
        assert!(!format!("{options:?}").contains("hush"));
    }
}
