//! What is done to the program. Every scenario ends before the same judge.

#[path = "disk.rs"]
mod disk;
#[path = "handlers.rs"]
mod handlers;
#[path = "recovery.rs"]
mod recovery;
#[path = "roles.rs"]
mod roles;

use std::time::Duration;

use futures::future::BoxFuture;
use tempfile::TempDir;

use crate::{database::Database, options::Mode};

/// What a scenario is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// On PostgreSQL rather than SQLite.
    pub(crate) postgres: bool,
    pub(crate) seed: u64,
    pub(crate) mode: Mode,
}

/// How long everything may take to be handled after the last fault: the longest lease of parked events, and the backlog.
pub(crate) const DRAIN: Duration = Duration::from_secs(180);

impl Setting {
    /// A folder and a new database, in it or on a server of its own.
    pub(crate) fn database(self) -> Result<(TempDir, Database), String> {
        let folder =
            tempfile::Builder::new().prefix("activelog-faults-").tempdir().map_err(|error| error.to_string())?;
        let database = if self.postgres { Database::postgres()? } else { Database::sqlite(folder.path()) };
        Ok((folder, database))
    }

    /// How many times something is done: more in the long form.
    pub(crate) fn times(self, bounded: usize) -> usize {
        match self.mode {
            Mode::Bounded => bounded,
            Mode::Long(_) => bounded * 5,
            Mode::Kills(kills) => kills,
        }
    }
}

/// A scenario.
type Run = fn(Setting) -> BoxFuture<'static, Result<(), String>>;

/// A scenario and where it can be run.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Whether it is about the database server.
    pub(crate) needs_server: bool,
    pub(crate) run: Run,
}

/// All of them.
pub(crate) const SCENARIOS: &[Scenario] = &[
    everywhere("roles_are_killed", |setting| Box::pin(roles::killed(setting))),
    everywhere("serve_is_killed", |setting| Box::pin(roles::serve_killed(setting))),
    everywhere("roles_are_frozen_past_their_leases", |setting| Box::pin(roles::frozen(setting))),
    everywhere("roles_are_stopped_under_load", |setting| Box::pin(roles::stopped(setting))),
    everywhere("what_a_stopped_worker_has_finished_is_acknowledged", |setting| Box::pin(roles::acknowledged(setting))),
    everywhere("requests_are_aborted", |setting| Box::pin(roles::aborted_requests(setting))),
    everywhere("handlers_misbehave_and_aggregates_go_on", |setting| Box::pin(handlers::go_on(setting))),
    everywhere("handlers_misbehave_and_aggregates_are_held", |setting| Box::pin(handlers::are_held(setting))),
    everywhere("the_disk_is_full", |setting| Box::pin(disk::full(setting))),
    everywhere("a_relay_takes_over", |setting| Box::pin(recovery::takeover(setting))),
    Scenario {
        name: "the_database_comes_back",
        needs_server: true,
        run: |setting| Box::pin(recovery::database_back(setting)),
    },
];

/// The one that only kills, for `--kills`.
pub(crate) const KILLS: &[Scenario] = &[
    everywhere("kills_in_a_row", |setting| Box::pin(roles::kills_in_a_row(setting))),
    everywhere("kills_of_serve_in_a_row", |setting| Box::pin(roles::kills_of_serve(setting))),
];

const fn everywhere(name: &'static str, run: Run) -> Scenario {
    Scenario { name, needs_server: false, run }
}

/// Says that something is left out.
pub(crate) fn left_out(what: &str) {
    eprintln!("LEFT OUT of faults, which counts as passed: {what}");
}
