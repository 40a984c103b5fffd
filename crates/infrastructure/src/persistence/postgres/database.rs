use std::{sync::Arc, time::Duration};

use activelog_application::ports::{Clock, Signal, StorageError};
use sqlx::{
    Connection,
    pool::PoolOptions,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};

use super::{
    super::DatabaseError,
    migrations,
    options::{PgOptions, SYSTEM_CONNECTIONS},
    session::Session,
};

/// How long a statement outside of a unit of work may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(15);

/// How long a connection may have been idle before it is tried before use.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// A PostgreSQL database. Implements every storage port; clones share connections and signals.
#[derive(Clone)]
pub struct PgDatabase {
    pub(super) shared: Arc<Shared>,
}

/// What the clones share.
pub(super) struct Shared {
    connect: PgConnectOptions,
    /// Units of work.
    pub(super) work: PgPool,
    /// Read models.
    queries: PgPool,
    /// Relay, journal, leases, health: never kept waiting by requests.
    system: PgPool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) outbox_signal: Signal,
    pub(super) journal_signal: Signal,
}

impl std::fmt::Debug for PgDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgDatabase").field("location", &PgOptions::location(&self.shared.connect)).finish()
    }
}

impl PgDatabase {
    /// Connects once, to see that the database is there; the pools connect as they are used, and again whenever a
    /// connection has broken. `clock` dates what is recorded; leases go by the server's clock.
    pub async fn connect(options: PgOptions, clock: Arc<dyn Clock>) -> Result<Self, DatabaseError> {
        let connect = options.driver_options()?;
        // Every statement of these finds its rows by an index, also when the plan that is kept for it was made while the table was empty and
        // reading all of it cost nothing.
        let by_index = connect.clone().options([("enable_seqscan", "off")]);
        let queries = options.query_connections();
        let this = Self {
            shared: Arc::new(Shared {
                work: pool(&options, options.max_connections)
                    .test_before_acquire(false)
                    .connect_lazy_with(by_index.clone()),
                queries: tried(pool(&options, queries)).connect_lazy_with(connect.clone()),
                system: tried(pool(&options, SYSTEM_CONNECTIONS)).connect_lazy_with(by_index),
                connect,
                clock,
                outbox_signal: Signal::new(),
                journal_signal: Signal::new(),
            }),
        };
        match sqlx::ConnectOptions::connect(&this.shared.connect).await {
            Ok(connection) => {
                let _ = connection.close().await;
                Ok(this)
            }
            Err(error) => Err(migrations::cannot_open(&this.shared.connect, error)),
        }
    }

    /// Brings the schema up to date. Several processes may do so at once: one works, the others wait for it. Refuses a
    /// schema that is newer than this program.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        migrations::run(&self.shared.connect).await
    }

    /// Fails unless the schema is the one this program needs, and changes nothing.
    pub async fn check_schema(&self) -> Result<(), DatabaseError> {
        let opened = self.shared.system.acquire().await;
        let mut connection = opened.map_err(|error| migrations::cannot_open(&self.shared.connect, error))?;
        migrations::check(&mut connection).await
    }

    /// Rung after a commit that has put events into the outbox.
    pub fn outbox_signal(&self) -> Signal {
        self.shared.outbox_signal.clone()
    }

    /// Rung after a commit that has put events into the journal.
    pub fn journal_signal(&self) -> Signal {
        self.shared.journal_signal.clone()
    }

    /// Waits for connections in use to be given back and closes all. Later operations fail as unavailable.
    pub async fn close(&self) {
        tokio::join!(self.shared.work.close(), self.shared.queries.close(), self.shared.system.close());
    }

    /// A connection for the toolkit.
    pub(super) async fn system(&self, operation: &'static str) -> Result<Session, StorageError> {
        Session::open(&self.shared.system, STATEMENT_LIMIT, operation).await
    }

    /// A connection for a read model.
    pub(super) async fn reader(&self, operation: &'static str) -> Result<Session, StorageError> {
        Session::open(&self.shared.queries, STATEMENT_LIMIT, operation).await
    }
}

fn pool(options: &PgOptions, connections: u32) -> PgPoolOptions {
    PoolOptions::new().max_connections(connections.max(1)).acquire_timeout(options.acquire_timeout)
}

/// Tries a connection that has been idle for a while before it is used: the server may have been restarted meanwhile. Under load
/// that costs nothing.
fn tried(options: PgPoolOptions) -> PgPoolOptions {
    options.test_before_acquire(false).before_acquire(|connection, state| {
        Box::pin(async move {
            if state.idle_for > TRUSTED_IDLE {
                connection.ping().await?;
            }
            Ok(true)
        })
    })
}
