use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use activelog_domain::event::EventEnvelope;

use super::{
    Storage,
    case::{Checked, Failure},
    failures::{HANDLER, failed, future, insist, nth},
};
use crate::{
    activity::ports::Repositories,
    ports::{
        Addressed, AfterDeadLetter, ClaimedLane, CommitError, DeathReason, Intake, ParkedEvent, StorageError,
        StorageErrorKind,
    },
};

cases!("parking at once":
    deliveries_and_retriers_at_once_keep_every_lane_in_order,
    many_park_an_event_once,
    many_never_claim_the_same_lane,
    a_park_waits_for_a_transaction_that_takes_the_event,
);

const KEYS: usize = 3;
const EVENTS: u64 = 24;
const RETRIERS: usize = 3;

/// How long a claim lasts, by a clock that every look for lanes moves on by a second: many claims run out while their owners are at work.
const SHORT_LEASE: Duration = Duration::from_secs(4);

/// Commits the effect if the event was taken.
async fn finish(mut uow: Box<dyn Repositories>, taken: bool, effect: &EventEnvelope) -> Result<bool, StorageError> {
    if !taken {
        uow.rollback().await;
        return Ok(false);
    }
    uow.outbox().append(std::slice::from_ref(effect)).await?;
    match uow.commit().await {
        Ok(()) => Ok(true),
        Err(CommitError::RolledBack(error) | CommitError::Unknown(error)) => Err(error),
    }
}

/// Delivers the events of a key one after the other, as a consumer does. Every fourth fails.
async fn deliver(storage: Storage, key: String) -> Checked {
    for addressed in (1..=EVENTS).map(|sequence| nth(&key, sequence)) {
        let fails = addressed.event.sequence % 4 == 1;
        let taken = !fails && insist(|| taken(&storage, &addressed)).await?;
        if !taken {
            let failures = failed(1);
            let failures = fails.then_some(&failures);
            let parked = insist(|| storage.parking.park(&addressed, failures, future(0))).await?;
            ensure!(parked, "{key} {} was known before it was parked", addressed.event.sequence);
        }
        tokio::time::sleep(Duration::from_micros(fastrand::u64(0..500))).await;
    }
    Ok(())
}

/// Has the handler take a delivered event, unless it comes behind another.
async fn taken(storage: &Storage, addressed: &Addressed) -> Result<bool, StorageError> {
    let event = &addressed.event;
    let mut uow = storage.begin().await?;
    let intake = uow.inbox().record(HANDLER, event.id, &event.partition_key).await?;
    if intake == Intake::AlreadyTaken {
        let reason = "a new event was said to be taken";
        return Err(StorageError::new(StorageErrorKind::Other, "record in inbox", reason));
    }
    finish(uow, intake == Intake::New, event).await
}

/// Retries lanes until there is nothing more to do.
async fn retry(storage: Storage, clock: Arc<AtomicI64>, delivered: Arc<AtomicBool>) -> Checked {
    loop {
        let last = delivered.load(Ordering::SeqCst);
        let now = future(clock.fetch_add(1, Ordering::SeqCst));
        let parking = &storage.parking;
        let lanes = insist(move || parking.claim(&[HANDLER], now, SHORT_LEASE, 2)).await?;
        for lane in &lanes {
            while progress(&storage, lane, now).await? {}
        }
        if last && lanes.is_empty() && insist(|| storage.parking.next_due(&[HANDLER])).await?.is_none() {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

/// Works on a page of a lane. `false` when the lane is done with: it has ended, or was given back, or lost.
async fn progress(storage: &Storage, lane: &ClaimedLane, now: jiff::Timestamp) -> Checked<bool> {
    let Some(events) = unless_fenced(insist_unless_fenced(|| storage.parking.events(lane, 3)).await)? else {
        return Ok(false);
    };
    for parked in &events {
        tokio::time::sleep(Duration::from_micros(fastrand::u64(0..1_000))).await;
        let goes_on = match fastrand::u8(0..8) {
            0 => {
                let (parking, failures) = (&storage.parking, &failed(2));
                let postponed = insist_unless_fenced(move || parking.postpone(lane, parked.place, failures, now));
                unless_fenced(postponed.await)?;
                false
            }
            1 => {
                insist(|| storage.parking.release(lane)).await?;
                false
            }
            _ => insist(|| retried(storage, lane, parked)).await?,
        };
        if !goes_on {
            return Ok(false);
        }
    }
    Ok(!events.is_empty())
}

async fn retried(storage: &Storage, lane: &ClaimedLane, parked: &ParkedEvent) -> Result<bool, StorageError> {
    let mut uow = storage.begin().await?;
    let taken = uow.parking().take(lane, parked.place).await?;
    finish(uow, taken, &parked.addressed.event).await
}

async fn insist_unless_fenced<T, W>(operation: impl Fn() -> W) -> Result<T, StorageError>
where
    W: Future<Output = Result<T, StorageError>>,
{
    loop {
        match operation().await {
            Err(error) if error.is_transient() => tokio::task::yield_now().await,
            done => return done,
        }
    }
}

fn unless_fenced<T>(done: Result<T, StorageError>) -> Checked<Option<T>> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == StorageErrorKind::Fenced => Ok(None),
        Err(error) => Err(Failure(error.to_string())),
    }
}

async fn deliveries_and_retriers_at_once_keep_every_lane_in_order(storage: Storage) -> Checked {
    let (clock, delivered) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let retriers: Vec<_> =
        (0..RETRIERS).map(|_| tokio::spawn(retry(storage.clone(), clock.clone(), delivered.clone()))).collect();
    let deliveries: Vec<_> = (0..KEYS).map(|n| tokio::spawn(deliver(storage.clone(), format!("key-{n}")))).collect();
    for delivery in deliveries {
        delivery.await??;
    }
    delivered.store(true, Ordering::SeqCst);
    for retrier in retriers {
        retrier.await??;
    }
    ensure_eq!(storage.parked().await?, vec![], "what is still parked");
    let leases = storage.all_leases("relay", "last").await?;
    while storage.outbox.complete_oldest(&leases, 1_000).await? > 0 {}
    let mut effects: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for entry in storage.whole_journal().await? {
        effects.entry(entry.event.subject.clone()).or_default().push(entry.event.sequence);
    }
    ensure_eq!(effects.len(), KEYS, "keys with effects");
    for (key, found) in effects {
        ensure_eq!(found, (1..=EVENTS).collect::<Vec<_>>(), "the effects of {key}, each once and in order");
    }
    Ok(())
}

async fn many_park_an_event_once(storage: Storage) -> Checked {
    let events: Vec<Addressed> = (1..=4).map(|sequence| nth("key", sequence)).collect();
    let tasks = (0..16).map(|n| {
        let (storage, addressed) = (storage.clone(), events[n % 4].clone());
        tokio::spawn(async move {
            let (parking, failures) = (&storage.parking, &failed(1));
            match n % 3 {
                0 => insist(|| parking.park(&addressed, None, future(0))).await,
                1 => insist(|| parking.park(&addressed, Some(failures), future(0))).await,
                _ => {
                    let (reason, after) = (DeathReason::Crashed, AfterDeadLetter::Continue);
                    insist(|| parking.bury(&addressed, reason, failures, after)).await
                }
            }
        })
    });
    let mut kept = 0;
    for task in tasks.collect::<Vec<_>>() {
        kept += usize::from(task.await??);
    }
    ensure_eq!(kept, 4, "how often one of four events was parked or buried");
    ensure_eq!(storage.parked().await?.len() + storage.letters().await?.len(), 4, "what is parked or dead");
    Ok(())
}

async fn many_never_claim_the_same_lane(storage: Storage) -> Checked {
    const LANES: usize = 20;
    for n in 0..LANES {
        storage.park_lane(&format!("key-{n}"), 1).await?;
    }
    let tasks = (0..6).map(|_| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let (mut claimed, parking) = (Vec::new(), &storage.parking);
            loop {
                let lanes = insist(move || parking.claim(&[HANDLER], future(0), SHORT_LEASE, 3)).await?;
                if lanes.is_empty() {
                    return Checked::Ok(claimed);
                }
                claimed.extend(lanes);
            }
        })
    });
    let mut keys = BTreeSet::new();
    for task in tasks.collect::<Vec<_>>() {
        for lane in task.await?? {
            ensure!(keys.insert(lane.key.clone()), "two have claimed the lane of {}", lane.key);
        }
    }
    // Those who looked while others claimed may have found nothing.
    let left = storage.claims(0).await?.len();
    ensure_eq!(keys.len() + left, LANES, "lanes that were claimed");
    Ok(())
}

async fn a_park_waits_for_a_transaction_that_takes_the_event(storage: Storage) -> Checked {
    for committed in [true, false] {
        let addressed = nth(&format!("committed: {committed}"), 1);
        let event = &addressed.event;
        let mut uow = storage.begin().await?;
        let intake = uow.inbox().record(HANDLER, event.id, &event.partition_key).await?;
        ensure_eq!(intake, Intake::New, "a new event");
        let (others, same) = (storage.clone(), addressed.clone());
        let mut park = tokio::spawn(async move { insist(|| others.parking.park(&same, None, future(0))).await });
        if let Ok(early) = tokio::time::timeout(Duration::from_millis(200), &mut park).await {
            return Err(format!("it did not wait: {:?}", early?).into());
        }
        match committed {
            true => uow.commit().await?,
            false => uow.rollback().await,
        }
        ensure_eq!(park.await??, !committed, "whether it was parked, after a commit: {committed}");
    }
    Ok(())
}
