use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use uuid::Uuid;

use super::{
    Storage,
    case::Checked,
    fixture::{LONG, SHORT},
    samples::{event, expect_kind, history, key_in},
};
use crate::ports::{Lease, PARTITIONS, Partition, StorageError, StorageErrorKind};

cases!("relays": a_lost_lease_moves_nothing, one_lost_lease_refuses_the_whole, writers_and_relays_at_once_lose_nothing);

const SCOPE: &str = "relay";

/// The leases of a member that has lost them all to another, and the other's.
async fn lost_and_taken(storage: &Storage) -> Checked<(Vec<Lease>, Vec<Lease>)> {
    let lost = storage.leases.heartbeat(SCOPE, "zombie", PARTITIONS, SHORT).await?.leases;
    ensure_eq!(lost.len(), usize::from(PARTITIONS), "leases of the only member");
    let taken = storage.take_over(SCOPE, "heir").await?.leases;
    Ok((lost, taken))
}

async fn a_lost_lease_moves_nothing(storage: Storage) -> Checked {
    let partition = Partition(0);
    let events = history(&key_in(partition, 0), 1..=3);
    storage.record(&events).await?;
    let rows: Vec<i64> = storage.outbox.pending(partition, 0, 10).await?.iter().map(|e| e.id).collect();
    let (lost, taken) = lost_and_taken(&storage).await?;
    expect_kind(storage.outbox.complete(&lost[0], &rows).await, StorageErrorKind::Fenced, "complete by a zombie")?;
    let oldest = storage.outbox.complete_oldest(&lost, 10).await;
    expect_kind(oldest, StorageErrorKind::Fenced, "complete_oldest by a zombie")?;
    let forged = Lease { epoch: taken[0].epoch + 1, ..taken[0].clone() };
    expect_kind(
        storage.outbox.complete(&forged, &rows).await,
        StorageErrorKind::Fenced,
        "complete by a lease of no epoch",
    )?;
    ensure_eq!(storage.whole_journal().await?, vec![], "the journal");
    ensure_eq!(storage.outbox.depth().await?.events, 3, "the outbox");
    ensure_eq!(storage.outbox.complete(&taken[0], &rows).await?, 3, "complete by the heir");
    Ok(())
}

async fn one_lost_lease_refuses_the_whole(storage: Storage) -> Checked {
    for partition in (0..PARTITIONS).map(Partition) {
        storage.record(&[event(&key_in(partition, 0), 1)]).await?;
    }
    let (lost, taken) = lost_and_taken(&storage).await?;
    let mixed: Vec<Lease> = taken[..15].iter().chain(&lost[15..]).cloned().collect();
    let oldest = storage.outbox.complete_oldest(&mixed, 100).await;
    expect_kind(oldest, StorageErrorKind::Fenced, "complete_oldest with one lost lease")?;
    ensure_eq!(storage.whole_journal().await?, vec![], "the journal");
    ensure_eq!(storage.outbox.complete_oldest(&taken, 100).await?, 16, "complete_oldest by the heir");
    Ok(())
}

/// One relay: keeps its share of the partitions and moves what it finds, until it is told to stop.
async fn relay(storage: Storage, member: &'static str, stop: Arc<AtomicBool>) -> Checked {
    loop {
        let stopping = stop.load(Ordering::SeqCst);
        let membership = storage.leases.heartbeat(SCOPE, member, PARTITIONS, LONG).await?;
        let share = usize::from(PARTITIONS).div_ceil(membership.members as usize);
        let (mine, surplus) = membership.leases.split_at(share.min(membership.leases.len()));
        storage.leases.release(member, surplus).await?;
        for (n, lease) in mine.iter().enumerate() {
            let moved = if n % 2 == 0 {
                let pending = storage.outbox.pending(lease.partition, 0, 7).await?;
                let rows: Vec<i64> = pending.iter().map(|e| e.id).collect();
                again(|| storage.outbox.complete(lease, &rows)).await?
            } else {
                again(|| storage.outbox.complete_oldest(std::slice::from_ref(lease), 5)).await?
            };
            ensure!(moved <= 7, "{moved} were moved at once");
        }
        if stopping {
            storage.leases.leave(SCOPE, member).await?;
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

/// Tries again while others are in the way.
async fn again<W: Future<Output = Result<u64, StorageError>>>(operation: impl Fn() -> W) -> Checked<u64> {
    loop {
        match operation().await {
            Err(error) if error.kind == StorageErrorKind::Contention => tokio::task::yield_now().await,
            done => return Ok(done?),
        }
    }
}

async fn writers_and_relays_at_once_lose_nothing(storage: Storage) -> Checked {
    const WRITERS: usize = 6;
    const EVENTS: u64 = 25;
    let stop = Arc::new(AtomicBool::new(false));
    let relays = ["a", "b"].map(|member| tokio::spawn(relay(storage.clone(), member, stop.clone())));
    let writers = (0..WRITERS).map(|writer| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let (mut recorded, (one, other)) =
                (Vec::<Uuid>::new(), (format!("one-{writer}"), format!("other-{writer}")));
            for n in 1..=EVENTS {
                let events = [event(&one, n), event(&other, n)];
                // Every fourth time it changes its mind first.
                if n % 4 == 0 {
                    let mut uow = storage.begin().await?;
                    let _appended = uow.outbox().append(&[event(&one, n)]).await;
                    uow.rollback().await;
                }
                storage.record(&events).await?;
                recorded.extend(events.map(|e| e.id));
            }
            Checked::Ok(recorded)
        })
    });
    let mut recorded = BTreeSet::new();
    for writer in writers.collect::<Vec<_>>() {
        recorded.extend(writer.await??);
    }
    stop.store(true, Ordering::SeqCst);
    for relay in relays {
        relay.await??;
    }
    let leases = storage.all_leases(SCOPE, "last").await?;
    while storage.outbox.complete_oldest(&leases, 1_000).await? > 0 {}
    let journal = storage.whole_journal().await?;
    let mut published = BTreeSet::new();
    let mut sequences: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in &journal {
        ensure!(published.insert(entry.event.id), "{} {} is there twice", entry.event.subject, entry.event.sequence);
        let last = sequences.entry(&entry.event.subject).or_default();
        ensure_eq!(entry.event.sequence, *last + 1, "the next event of {}", entry.event.subject);
        *last += 1;
    }
    ensure_eq!(published.len(), recorded.len(), "published events");
    ensure!(published == recorded, "other events were published than were committed");
    Ok(())
}
