//! Back-pressure beside the API; the scheduler and the keeper beside the relay.

use activelog_application::{
    backpressure::{GroupProgress, PressureMonitor, PressureSources},
    relay::Scheduler,
    retention::{JournalGroup, Keeper, KeeperStores},
};

use super::{Application, options};
use crate::config::Config;

/// The broker that delivers from the journal. An API on its own does not connect to the broker, and has only its URL to tell.
const DELIVERS_FROM_JOURNAL: &str = "database";

fn delivers_from_journal(config: &Config) -> bool {
    config.broker.url.scheme().is_some_and(|scheme| scheme == DELIVERS_FROM_JOURNAL)
}

/// What looks whether writes may be taken.
pub(super) fn pressure_monitor(config: &Config, application: &Application) -> PressureMonitor {
    let storage = &application.storage;
    let group = delivers_from_journal(config).then(|| GroupProgress {
        group: config.worker.group.clone(),
        journal: storage.journal.clone(),
        positions: storage.positions.clone(),
    });
    let sources = PressureSources {
        outbox: storage.outbox.clone(),
        group,
        disk: storage.disk.clone(),
        clock: application.clock.clone(),
    };
    let pressure = &config.backpressure;
    PressureMonitor::new(sources, options::pressure(pressure), pressure.poll_interval)
}

/// What has scheduled events published.
pub(super) fn scheduler(config: &Config, application: &Application) -> Scheduler {
    let storage = &application.storage;
    Scheduler::new(
        storage.scheduled.clone(),
        storage.leases.clone(),
        application.clock.clone(),
        application.ids.next_id(),
        options::scheduler(&config.relay),
    )
}

/// What removes the old.
pub(super) fn keeper(config: &Config, application: &Application) -> Keeper {
    let storage = &application.storage;
    let stores = KeeperStores {
        retention: storage.retention.clone(),
        group: delivers_from_journal(config)
            .then(|| JournalGroup { name: config.worker.group.clone(), positions: storage.positions.clone() }),
        dead_letters: storage.dead_letters.clone(),
        leases: storage.leases.clone(),
        clock: application.clock.clone(),
    };
    let retention = &config.retention;
    Keeper::new(stores, application.ids.next_id(), options::retention(retention), options::keeper(retention))
}
