use activelog_application::ports::StorageErrorKind;
use sqlx::{
    ConnectOptions, Connection, Row,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgConnection},
};

use super::{
    super::DatabaseError,
    error::{kind_of, without_values},
    options::PgOptions,
};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// The schema version this program needs.
pub(super) fn known_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Brings the schema up to date, on a connection of its own: the server's time limits are not for migrations.
pub(super) async fn run(options: &PgConnectOptions) -> Result<(), DatabaseError> {
    let migrate = |source: sqlx::Error| DatabaseError::Migrate { source: without_values(source) };
    let unlimited = options.clone().options([
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
    ]);
    let mut connection = unlimited.connect().await.map_err(|error| cannot_open(options, error))?;
    refuse_newer(found_version(&mut connection).await.map_err(migrate)?)?;
    match MIGRATIONS.run_direct(None, &mut connection, false).await {
        Ok(()) => {}
        // A newer program was quicker.
        Err(MigrateError::VersionMissing(found)) => refuse_newer(found)?,
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => return Err(migrate(error)),
        Err(error) => return Err(DatabaseError::Migrate { source: Box::new(error) }),
    }
    // Everything is committed: how the farewell goes does not matter.
    let _ = connection.close().await;
    Ok(())
}

/// Fails unless the schema is the one this program needs.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), DatabaseError> {
    let found =
        found_version(connection).await.map_err(|error| DatabaseError::Migrate { source: without_values(error) })?;
    refuse_newer(found)?;
    let known = known_version();
    if found < known { Err(DatabaseError::OlderSchema { found, known }) } else { Ok(()) }
}

fn refuse_newer(found: i64) -> Result<(), DatabaseError> {
    let known = known_version();
    if found > known { Err(DatabaseError::NewerSchema { found, known }) } else { Ok(()) }
}

/// The version of the last migration that was applied; 0 for an empty database.
pub(super) async fn found_version(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let exists = sqlx::query("SELECT to_regclass('_sqlx_migrations') IS NOT NULL");
    if !exists.fetch_one(&mut *connection).await?.try_get::<bool, _>(0)? {
        return Ok(0);
    }
    sqlx::query("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success")
        .fetch_one(connection)
        .await?
        .try_get(0)
}

/// The database cannot be opened: what happened and what to do.
pub(super) fn cannot_open(options: &PgConnectOptions, error: sqlx::Error) -> DatabaseError {
    let (cause, advice) = explain(options, error);
    DatabaseError::Open { location: PgOptions::location(options), source: format!("{cause}; {advice}").into() }
}

/// Why a database cannot be opened, and what to do.
pub(super) fn explain(options: &PgConnectOptions, error: sqlx::Error) -> (String, String) {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    let code = match &error {
        sqlx::Error::Database(server) => server.code().map(|code| code.into_owned()),
        _ => None,
    };
    let advice = match code.as_deref() {
        Some("3D000") => format!("create it first (`createdb {database}`), or correct the name in the URL"),
        Some("28P01" | "28000") => "check user and password in the URL, and the server's pg_hba.conf".to_owned(),
        Some("53300") => "the server has no free connections: raise its max_connections or lower ours".to_owned(),
        _ if kind_of(&error) == StorageErrorKind::Unavailable => {
            "check that PostgreSQL runs there and accepts connections from here, and host and port in the URL"
                .to_owned()
        }
        _ => "check the URL and its parameters".to_owned(),
    };
    let cause = match &error {
        sqlx::Error::Io(io) => io.to_string(),
        _ => without_values(error).to_string(),
    };
    (cause, advice)
}
