use std::{collections::BTreeSet, time::Duration};

use activelog_domain::event::EventEnvelope;
use uuid::Uuid;

use super::{
    Storage,
    case::{Checked, Failure},
    samples::{any_id, event, expect_kind, hard_events, history, key_in},
};
use crate::ports::{Lease, OutboxEntry, PARTITIONS, Partition, StorageErrorKind, partition_of};

cases!("outbox":
    every_attribute_survives_into_the_journal,
    events_wait_in_the_order_of_recording,
    an_event_id_that_is_there_is_a_constraint_error,
    a_sequence_that_is_there_is_a_constraint_error,
    events_are_not_there_before_the_commit,
    a_late_commit_is_not_skipped,
    completed_events_move_in_the_order_of_their_rows,
    only_the_leases_partition_is_touched,
    an_event_published_twice_is_in_the_journal_once,
    the_oldest_of_several_leases_move,
    waiting_names_the_partitions_that_hold_events,
    depth_counts_what_waits,
    depth_within_bounds_is_cheap_and_spares_the_oldest,
);

const SCOPE: &str = "relay";

async fn pending(storage: &Storage, partition: Partition) -> Checked<Vec<OutboxEntry>> {
    Ok(storage.outbox.pending(partition, 0, 10_000).await?)
}

fn ids<'a>(events: impl IntoIterator<Item = &'a EventEnvelope>) -> Vec<Uuid> {
    events.into_iter().map(|event| event.id).collect()
}

fn lease_of(leases: &[Lease], partition: Partition) -> Checked<&Lease> {
    leases.iter().find(|l| l.partition == partition).ok_or_else(|| Failure(format!("no lease of {partition:?}")))
}

async fn every_attribute_survives_into_the_journal(storage: Storage) -> Checked {
    let events = hard_events();
    storage.record(&events).await?;
    let leases = storage.all_leases(SCOPE, "a").await?;
    for event in &events {
        let partition = partition_of(&event.partition_key);
        let waiting = pending(&storage, partition).await?;
        ensure!(waiting.iter().any(|entry| entry.event == *event), "{} changed in the outbox", event.subject);
    }
    ensure_eq!(storage.outbox.complete_oldest(&leases, 1_000).await?, 5, "how many moved");
    let journal = storage.whole_journal().await?;
    for event in &events {
        let partition = partition_of(&event.partition_key);
        let found = journal.iter().find(|entry| entry.event.id == event.id);
        let unchanged = found.is_some_and(|entry| entry.event == *event && entry.partition == partition);
        ensure!(unchanged, "{} changed on its way into the journal", event.subject);
    }
    ensure_eq!(journal.len(), events.len(), "entries");
    Ok(())
}

async fn events_wait_in_the_order_of_recording(storage: Storage) -> Checked {
    let partition = Partition(3);
    let (a, b) = (key_in(partition, 0), key_in(partition, 1));
    let mut recorded = Vec::new();
    for n in 1..=4 {
        let mut events = history(&a, n * 2 - 1..=n * 2);
        events.insert(1, event(&b, n));
        storage.record(&events).await?;
        recorded.extend(events);
    }
    storage.record(&[event(&key_in(Partition(4), 0), 1)]).await?;
    let waiting = pending(&storage, partition).await?;
    ensure_eq!(ids(waiting.iter().map(|e| &e.event)), ids(&recorded), "the order of recording");
    ensure!(waiting.is_sorted_by(|x, y| x.id < y.id), "rows do not ascend");
    for limit in [1, 5, 12, 13] {
        let mut found: Vec<OutboxEntry> = Vec::new();
        loop {
            let after = found.last().map_or(0, |entry| entry.id);
            let page = storage.outbox.pending(partition, after, limit).await?;
            ensure!(page.len() <= limit as usize, "a page of {limit} holds {}", page.len());
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        ensure_eq!(found, waiting, "pages of {limit}");
    }
    Ok(())
}

async fn an_event_id_that_is_there_is_a_constraint_error(storage: Storage) -> Checked {
    let first = event("s", 1);
    storage.record(std::slice::from_ref(&first)).await?;
    let again = EventEnvelope { id: first.id, ..event("t", 1) };
    let mut uow = storage.begin().await?;
    expect_kind(uow.outbox().append(&[again]).await, StorageErrorKind::Constraint, "an event id twice")?;
    uow.rollback().await;
    let twin = event("u", 1);
    let mut uow = storage.begin().await?;
    let twins = [twin.clone(), EventEnvelope { id: twin.id, ..event("v", 1) }];
    expect_kind(uow.outbox().append(&twins).await, StorageErrorKind::Constraint, "an event id twice at once")?;
    drop(uow);
    ensure_eq!(storage.outbox.depth().await?.events, 1, "events");
    Ok(())
}

async fn a_sequence_that_is_there_is_a_constraint_error(storage: Storage) -> Checked {
    storage.record(&history("s", 1..=2)).await?;
    let mut uow = storage.begin().await?;
    // With another partition key, too: the sequence is the subject's.
    let stale = EventEnvelope { partition_key: "elsewhere".into(), ..event("s", 2) };
    expect_kind(uow.outbox().append(&[stale]).await, StorageErrorKind::Constraint, "a sequence twice")?;
    uow.rollback().await;
    storage.record(&[event("s", 3), event("t", 2)]).await?;
    ensure_eq!(storage.outbox.depth().await?.events, 4, "events");
    Ok(())
}

async fn events_are_not_there_before_the_commit(storage: Storage) -> Checked {
    let events = history("s", 1..=3);
    let partition = partition_of("s");
    for commit in [false, true] {
        let mut uow = storage.begin().await?;
        uow.outbox().append(&events).await?;
        uow.outbox().append(&[]).await?;
        ensure_eq!(pending(&storage, partition).await?, vec![], "pending before the end");
        ensure_eq!(storage.outbox.waiting().await?, vec![], "waiting before the end");
        if commit {
            uow.commit().await?;
        } else {
            uow.rollback().await;
        }
        let found = pending(&storage, partition).await?.len();
        ensure_eq!(found, if commit { 3 } else { 0 }, "pending after the end (commit: {commit})");
    }
    ensure_eq!(storage.whole_journal().await?, vec![], "the journal, which nobody has moved anything to");
    Ok(())
}

/// A transaction that began first and commits last: its rows may come before rows that have been published already.
async fn a_late_commit_is_not_skipped(storage: Storage) -> Checked {
    let partition = Partition(5);
    let (early, late) = (event(&key_in(partition, 0), 1), event(&key_in(partition, 1), 1));
    let leases = storage.all_leases(SCOPE, "a").await?;
    let mut slow = storage.begin().await?;
    slow.outbox().append(std::slice::from_ref(&late)).await?;
    let (others, quick) = (storage.clone(), early.clone());
    let mut recording = tokio::spawn(async move { others.record(&[quick]).await });
    // A storage with one writer cannot get here before the other has ended, which is as good.
    if let Ok(recorded) = tokio::time::timeout(Duration::from_millis(300), &mut recording).await {
        recorded??;
        let rows: Vec<i64> = pending(&storage, partition).await?.iter().map(|e| e.id).collect();
        ensure_eq!(
            storage.outbox.complete(lease_of(&leases, partition)?, &rows).await?,
            1,
            "moved before the late commit"
        );
        slow.commit().await?;
    } else {
        slow.commit().await?;
        recording.await??;
    }
    let left = pending(&storage, partition).await?;
    ensure!(left.iter().any(|e| e.event.id == late.id), "an event that was committed late is not pending: {left:?}");
    while storage.outbox.complete_oldest(&leases, 10).await? > 0 {}
    let found: BTreeSet<Uuid> = storage.whole_journal().await?.iter().map(|e| e.event.id).collect();
    ensure_eq!(found, BTreeSet::from([early.id, late.id]), "both in the end");
    Ok(())
}

async fn completed_events_move_in_the_order_of_their_rows(storage: Storage) -> Checked {
    let partition = Partition(7);
    let (a, b) = (key_in(partition, 0), key_in(partition, 1));
    let events: Vec<EventEnvelope> = (1..=5).flat_map(|n| [event(&a, n), event(&b, n)]).collect();
    storage.record(&events).await?;
    let leases = storage.all_leases(SCOPE, "a").await?;
    let lease = lease_of(&leases, partition)?;
    let rows: Vec<i64> = pending(&storage, partition).await?.iter().map(|e| e.id).collect();
    let backwards: Vec<i64> = rows[..4].iter().rev().copied().collect();
    ensure_eq!(storage.outbox.complete(lease, &backwards).await?, 4, "moved, named in another order");
    ensure_eq!(pending(&storage, partition).await?.len(), 6, "left in the outbox");
    ensure_eq!(storage.outbox.complete(lease, &rows[2..7]).await?, 3, "moved, with two that are no longer there");
    ensure_eq!(storage.outbox.complete(lease, &[]).await?, 0, "moved of none");
    ensure_eq!(storage.outbox.complete(lease, &[i64::MAX, -1]).await?, 0, "moved of rows that never were");
    ensure_eq!(storage.outbox.complete_oldest(std::slice::from_ref(lease), 100).await?, 3, "the rest");
    let journal = storage.journal.read(partition, 0, 100).await?;
    ensure_eq!(ids(journal.iter().map(|e| &e.event)), ids(&events), "the journal's order");
    let positions: Vec<u64> = journal.iter().map(|e| e.position).collect();
    ensure_eq!(positions, (1..=10).collect::<Vec<_>>(), "positions, without gaps");
    Ok(())
}

async fn only_the_leases_partition_is_touched(storage: Storage) -> Checked {
    let (here, there) = (Partition(1), Partition(2));
    storage.record(&history(&key_in(here, 0), 1..=2)).await?;
    storage.record(&history(&key_in(there, 0), 1..=2)).await?;
    let leases = storage.all_leases(SCOPE, "a").await?;
    let mut rows: Vec<i64> = pending(&storage, here).await?.iter().map(|e| e.id).collect();
    rows.extend(pending(&storage, there).await?.iter().map(|e| e.id));
    ensure_eq!(storage.outbox.complete(lease_of(&leases, here)?, &rows).await?, 2, "moved");
    ensure_eq!(pending(&storage, there).await?.len(), 2, "the other partition's events");
    ensure_eq!(storage.journal.read(there, 0, 10).await?, vec![], "the other partition's journal");
    let moved = storage.outbox.complete_oldest(std::slice::from_ref(lease_of(&leases, here)?), 10).await?;
    ensure_eq!(moved, 0, "the oldest of a partition that is empty");
    Ok(())
}

/// A relay that published, crashed before it completed, and whose event was appended on another way meanwhile.
async fn an_event_published_twice_is_in_the_journal_once(storage: Storage) -> Checked {
    let events = history("s", 1..=3);
    storage.journal.append(&events[..1]).await?;
    storage.record(&events).await?;
    let leases = storage.all_leases(SCOPE, "a").await?;
    while storage.outbox.complete_oldest(&leases, 100).await? > 0 {}
    ensure_eq!(storage.outbox.depth().await?.events, 0, "left in the outbox");
    let journal = storage.journal.read(partition_of("s"), 0, 100).await?;
    ensure_eq!(ids(journal.iter().map(|e| &e.event)), ids(&events), "each once");
    storage.whole_journal().await.map(|_| ())
}

async fn the_oldest_of_several_leases_move(storage: Storage) -> Checked {
    let mut expected: Vec<Vec<Uuid>> = Vec::new();
    for partition in (0..PARTITIONS).map(Partition) {
        let events = history(&key_in(partition, 0), 1..=3);
        storage.record(&events).await?;
        expected.push(ids(&events));
    }
    let leases = storage.all_leases(SCOPE, "a").await?;
    let (mine, others) = leases.split_at(10);
    ensure_eq!(storage.outbox.complete_oldest(&[], 5).await?, 0, "moved without a lease");
    let mut moved = 0;
    for limit in [1, 7, 1_000, 1_000] {
        let now = storage.outbox.complete_oldest(mine, limit).await?;
        ensure!(now <= u64::from(limit), "{now} were moved with a limit of {limit}");
        ensure!(now == u64::from(limit).min(30 - moved), "{now} were moved with a limit of {limit} of {}", 30 - moved);
        moved += now;
    }
    for (lease, expected) in mine.iter().zip(&expected) {
        let journal = storage.journal.read(lease.partition, 0, 10).await?;
        ensure_eq!(ids(journal.iter().map(|e| &e.event)), *expected, "the journal of {:?}", lease.partition);
    }
    ensure_eq!(storage.outbox.depth().await?.events, 18, "those of other leases");
    ensure_eq!(storage.outbox.complete_oldest(others, 1_000).await?, 18, "those of other leases");
    storage.whole_journal().await.map(|_| ())
}

async fn waiting_names_the_partitions_that_hold_events(storage: Storage) -> Checked {
    ensure_eq!(storage.outbox.waiting().await?, vec![], "nothing");
    let leases = storage.all_leases(SCOPE, "a").await?;
    let wanted = [Partition(0), Partition(6), Partition(15)];
    for partition in wanted {
        storage.record(&history(&key_in(partition, 0), 1..=2)).await?;
    }
    let waiting: BTreeSet<Partition> = storage.outbox.waiting().await?.into_iter().collect();
    ensure_eq!(waiting, BTreeSet::from(wanted), "partitions");
    storage.outbox.complete_oldest(std::slice::from_ref(lease_of(&leases, Partition(6))?), 10).await?;
    ensure_eq!(storage.outbox.waiting().await?.len(), 2, "partitions after one is empty");
    Ok(())
}

async fn depth_counts_what_waits(storage: Storage) -> Checked {
    let empty = storage.outbox.depth().await?;
    ensure!(empty.events == 0 && empty.oldest.is_none(), "an empty outbox: {empty:?}");
    storage.record(&history("s", 1..=2)).await?;
    let first = storage.outbox.depth().await?;
    ensure!(first.events == 2 && first.oldest.is_some(), "two events: {first:?}");
    storage.record(&[event(&any_id().to_string(), 1)]).await?;
    let second = storage.outbox.depth().await?;
    ensure!(second.events == 3 && second.oldest == first.oldest, "the oldest changed: {first:?}, then {second:?}");
    let leases = storage.all_leases(SCOPE, "a").await?;
    storage.outbox.complete_oldest(&leases, 100).await?;
    let last = storage.outbox.depth().await?;
    ensure!(last.events == 0 && last.oldest.is_none(), "an outbox that was emptied: {last:?}");
    Ok(())
}

async fn depth_within_bounds_is_cheap_and_spares_the_oldest(storage: Storage) -> Checked {
    let empty = storage.outbox.depth_within(10, 0).await?;
    ensure!(empty.events == 0 && empty.oldest.is_none(), "an empty outbox: {empty:?}");
    for sequence in 1..=5 {
        storage.record(&[event("s", sequence)]).await?;
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let oldest = storage.outbox.depth().await?.oldest;
    for (bound, spared, events) in [(10, 0, 5), (5, 0, 5), (4, 0, 4), (1, 0, 1)] {
        let depth = storage.outbox.depth_within(bound, spared).await?;
        ensure_eq!(depth.events, events, "events counted up to {bound}");
        ensure_eq!(depth.oldest, oldest, "the oldest of all");
    }
    let later = storage.outbox.depth_within(10, 2).await?.oldest;
    ensure!(later > oldest, "the oldest but for two: {later:?}, of all: {oldest:?}");
    ensure!(storage.outbox.depth_within(10, 4).await?.oldest > later, "the oldest but for four");
    ensure_eq!(storage.outbox.depth_within(10, 5).await?.oldest, None, "the oldest but for all");
    Ok(())
}
