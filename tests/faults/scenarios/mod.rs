//! What is done to the program. Every scenario ends before the same judge.

#[path = "broker_disk.rs"]
mod broker_disk;
#[path = "brokers.rs"]
mod brokers;
#[path = "disk.rs"]
mod disk;
#[path = "handlers.rs"]
mod handlers;
#[path = "recovery.rs"]
mod recovery;
#[path = "roles.rs"]
mod roles;
#[path = "volume.rs"]
mod volume;

use std::time::Duration;

use futures::future::BoxFuture;
use tempfile::TempDir;

use crate::{database::Database, options::Mode, support::Kind};

/// What a scenario is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// On PostgreSQL rather than SQLite.
    pub(crate) postgres: bool,
    /// On a broker that is a server, rather than the journal in the database.
    pub(crate) broker: Option<Kind>,
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

    /// Which of the brokers that are servers.
    pub(crate) fn kind(self) -> Result<Kind, String> {
        self.broker.ok_or_else(|| "this takes a broker that is a server".to_owned())
    }

    /// How many times something is done: more in the long form.
    pub(crate) fn times(self, bounded: usize) -> usize {
        match self.mode {
            Mode::Bounded => bounded,
            Mode::Long(_) => bounded * 5,
            Mode::Kills(count) | Mode::Volume(count) => count,
        }
    }
}

/// A scenario.
pub(crate) type Run = fn(Setting) -> BoxFuture<'static, Result<(), String>>;

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

/// Those on PostgreSQL and each of the brokers that are servers.
pub(crate) const ON_BROKERS: &[OnBroker] = &[
    on("everything_happens", &Kind::ALL, |setting| Box::pin(brokers::everything_happens(setting))),
    on("all_is_deleted", &Kind::ALL, |setting| Box::pin(brokers::all_is_deleted(setting))),
    on("workers_come_and_go", &[Kind::Kafka], |setting| Box::pin(brokers::workers_come_and_go(setting))),
    on("a_slow_consumer_stays_small", &[Kind::Nats], |setting| Box::pin(volume::slow_consumer(setting))),
    on("the_brokers_disk_is_full", &[Kind::Redis], |setting| Box::pin(broker_disk::full(setting))),
    OnBroker {
        name: "publishers_are_blocked",
        bounded: &[Kind::RabbitMq],
        everywhere: &[Kind::RabbitMq],
        run: |setting| Box::pin(broker_disk::alarm(setting)),
    },
];

/// The one of these that only kills.
pub(crate) const KILLS_ON_BROKERS: &[OnBroker] =
    &[on("kills_in_a_row", &Kind::ALL, |setting| Box::pin(brokers::kills_in_a_row(setting)))];

/// The one of these that only has much to do.
pub(crate) const VOLUME_ON_BROKERS: &[OnBroker] =
    &[on("all_the_way", &Kind::ALL, |setting| Box::pin(volume::all_the_way(setting)))];

const fn on(name: &'static str, bounded: &'static [Kind], run: Run) -> OnBroker {
    OnBroker { name, bounded, everywhere: &Kind::ALL, run }
}

/// A scenario on brokers that are servers.
pub(crate) struct OnBroker {
    pub(crate) name: &'static str,
    /// Those it is run on in the bounded form.
    pub(crate) bounded: &'static [Kind],
    /// Those it is run on otherwise.
    pub(crate) everywhere: &'static [Kind],
    pub(crate) run: Run,
}

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
