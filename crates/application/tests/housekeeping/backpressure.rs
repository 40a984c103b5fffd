use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use activelog_application::{
    backpressure::{GroupProgress, Pressure, PressureBounds, PressureMonitor, PressureSources, SPARED_EVENTS},
    ports::{
        Clock, DiskSpace, GroupPositions, Journal, JournalCursor, LeaseStore, OutboxStore, PARTITIONS, StorageError,
    },
};
use async_trait::async_trait;

use crate::setting::{Setting, event};

const BOUNDS: PressureBounds = PressureBounds {
    max_outbox_events: 10,
    // The storage in memory records at a time of its own, long before the clock's.
    max_outbox_age: Duration::from_secs(1_000_000_000),
    max_group_lag: 10,
    min_free_disk: 1_000,
};

struct Disk(AtomicU64);

#[async_trait]
impl DiskSpace for Disk {
    async fn available(&self) -> Result<u64, StorageError> {
        Ok(self.0.load(Ordering::SeqCst))
    }
}

fn sources(setting: &Setting) -> PressureSources {
    let outbox = Arc::new(setting.toolkit.clone());
    PressureSources { outbox, group: None, disk: None, clock: setting.clock.clone() }
}

fn monitor(sources: PressureSources, bounds: PressureBounds) -> PressureMonitor {
    PressureMonitor::new(sources, bounds, Duration::from_millis(250))
}

/// Moves up to so many events to the journal.
async fn publish(setting: &Setting, events: u32) {
    let leases = setting.toolkit.heartbeat("relay", "r", PARTITIONS, Duration::from_secs(600)).await;
    let leases = leases.expect("leases").leases;
    setting.toolkit.complete_oldest(&leases, events).await.expect("moved");
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_refuses_until_four_fifths_are_left_by_itself() {
    let mut setting = Setting::new();
    let monitor = monitor(sources(&setting), BOUNDS);
    let gauge = monitor.gauge();
    let stop = setting.stop.clone();
    setting.run(async move { monitor.run(&stop).await });
    for n in 1..=10 {
        setting.toolkit.record(&[event("a", n)]);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gauge.pressure(), None, "at the bound");
    setting.toolkit.record(&[event("a", 11)]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gauge.pressure(), Some(Pressure::OutboxEvents { bound: 10 }));
    publish(&setting, 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(gauge.pressure().is_some(), "nine are more than four fifths");
    setting.toolkit.set_outage(true);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(gauge.pressure().is_some(), "what cannot be read stays as it was");
    setting.toolkit.set_outage(false);
    publish(&setting, 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gauge.pressure(), None, "eight are four fifths");
    setting.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_few_old_events_hold_nobody_up_and_many_do() {
    let setting = Setting::new();
    let bounds = PressureBounds { max_outbox_events: 1_000, max_outbox_age: Duration::from_secs(600), ..BOUNDS };
    let monitor = monitor(sources(&setting), bounds);
    for n in 1..=u64::from(SPARED_EVENTS) {
        setting.toolkit.record(&[event("refused", n)]);
    }
    monitor.look().await;
    assert_eq!(monitor.gauge().pressure(), None, "as many as a refused aggregate may hold");
    setting.toolkit.record(&[event("a", 1)]);
    monitor.look().await;
    assert!(matches!(monitor.gauge().pressure(), Some(Pressure::OutboxAge { .. })), "{:?}", monitor.gauge());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_behind_and_a_disk_that_is_full_refuse_too() {
    let setting = Setting::new();
    let toolkit = Arc::new(setting.toolkit.clone());
    let disk = Arc::new(Disk(AtomicU64::new(5_000)));
    let group = GroupProgress { group: "g".into(), journal: toolkit.clone(), positions: toolkit.clone() };
    let sources = PressureSources { group: Some(group), disk: Some(disk.clone()), ..sources(&setting) };
    let monitor = monitor(sources, BOUNDS);
    let pressures = || monitor.gauge().pressures().iter().map(Pressure::name).collect::<Vec<_>>();
    toolkit.join("g", &JournalCursor::default()).await.expect("joined");
    for n in 1..=11 {
        toolkit.append(&[event("a", n)]).await.expect("published");
    }
    monitor.look().await;
    assert_eq!(pressures(), ["group_lag"]);
    disk.0.store(999, Ordering::SeqCst);
    monitor.look().await;
    assert_eq!(pressures(), ["group_lag", "free_disk"]);
    let leases = toolkit.heartbeat("group:g", "m", PARTITIONS, Duration::from_secs(600)).await.expect("leases").leases;
    let to: Vec<_> = leases.into_iter().map(|lease| (lease, 11)).collect();
    toolkit.advance("g", &to).await.expect("advanced");
    disk.0.store(1_249, Ordering::SeqCst);
    monitor.look().await;
    assert_eq!(pressures(), ["free_disk"]);
    disk.0.store(1_250, Ordering::SeqCst);
    monitor.look().await;
    assert!(pressures().is_empty());
    assert!(setting.clock.now() > jiff::Timestamp::UNIX_EPOCH);
}
