use sqlx::{Connection, SqliteConnection, migrate::Migrator};

use super::{
    database::{explain, open_error},
    options::{SqliteOptions, open_writing},
};
use crate::persistence::DatabaseError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The newest version this program knows.
pub(super) fn known() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

async fn connect(options: &SqliteOptions) -> Result<SqliteConnection, DatabaseError> {
    open_writing(options).await.map_err(|error| open_error(&options.path, explain(&error)))
}

/// The newest version that was applied; 0 for an empty database.
pub(super) async fn found(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let table = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations')";
    if !sqlx::query_scalar::<_, bool>(table).fetch_one(&mut *connection).await? {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations").fetch_one(connection).await
}

/// See [`SqliteDatabase::migrate`](super::SqliteDatabase::migrate).
pub(super) async fn migrate(options: &SqliteOptions) -> Result<(), DatabaseError> {
    let failed = |error: sqlx::Error| DatabaseError::Migrate { source: Box::new(error) };
    let mut connection = connect(options).await?;
    // All migrations in one transaction that has the write lock from the start: of several processes the first migrates and
    // the others then find nothing to do.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let (found, known) = (found(&mut transaction).await.map_err(failed)?, known());
    if found > known {
        return Err(DatabaseError::NewerSchema { found, known });
    }
    MIGRATIONS
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| DatabaseError::Migrate { source: Box::new(error) })?;
    transaction.commit().await.map_err(failed)?;
    // Closing in order is a courtesy: nothing depends on it.
    let _ = connection.close().await;
    Ok(())
}

/// See [`SqliteDatabase::check_schema`](super::SqliteDatabase::check_schema).
pub(super) async fn check(options: &SqliteOptions) -> Result<(), DatabaseError> {
    let mut connection = connect(options).await?;
    let found = found(&mut connection).await.map_err(|error| open_error(&options.path, explain(&error)))?;
    let _ = connection.close().await;
    match found.cmp(&known()) {
        std::cmp::Ordering::Less => Err(DatabaseError::OlderSchema { found, known: known() }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(DatabaseError::NewerSchema { found, known: known() }),
    }
}
