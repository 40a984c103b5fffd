use std::{sync::Arc, time::Duration};

use activelog_domain::event::EventEnvelope;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Storage,
    case::{Checked, Failure},
    samples::{any_id, event, history, key_in},
};
use crate::ports::{
    Addressed, AfterDeadLetter, Claim, DeathReason, Failures, IdempotencyKey, Intake, JournalCursor, JournalEntry,
    PARTITIONS, Partition, partition_of,
};

cases!("retention":
    inbox_records_go_by_age_batch_by_batch,
    records_of_events_that_can_still_come_stay,
    the_journal_is_removed_from_its_oldest_end,
    the_journal_keeps_what_a_group_has_not_acknowledged,
    the_journal_is_kept_while_a_replay_goes_on,
    idempotency_keys_go_by_age,
    traces_of_workers_go_by_age,
);

const HANDLER: &str = "handler";

/// Later than anything that a case writes.
const FAR: Timestamp = Timestamp::constant(7_258_118_400, 0);

/// Earlier than anything that a case writes.
const LONG_AGO: Timestamp = Timestamp::constant(946_684_800, 0);

async fn take(storage: &Storage, event_id: Uuid) -> Checked<Intake> {
    storage.transact(move |uow| Box::pin(async move { uow.inbox().record(HANDLER, event_id, "retention").await })).await
}

/// Which of these events the handler can take again.
async fn forgotten(storage: &Storage, events: &[Uuid]) -> Checked<Vec<Uuid>> {
    let mut forgotten = Vec::new();
    for event_id in events {
        let mut uow = storage.begin().await?;
        if uow.inbox().record(HANDLER, *event_id, &event_id.to_string()).await? == Intake::New {
            forgotten.push(*event_id);
        }
        uow.rollback().await;
    }
    Ok(forgotten)
}

/// Removes everything in the inbox that can go.
async fn prune_inbox(storage: &Storage, before: Timestamp, limit: u32) -> Checked<u64> {
    let (mut after, mut removed) = (None, 0);
    loop {
        let pruned = storage.retention.prune_inbox(after, before, limit).await?;
        removed += pruned.removed;
        ensure!(pruned.reached.is_none() || pruned.reached > after, "the walk stands still at {after:?}");
        after = pruned.reached;
        if after.is_none() {
            return Ok(removed);
        }
    }
}

async fn inbox_records_go_by_age_batch_by_batch(storage: Storage) -> Checked {
    let events: Vec<Uuid> = (0..7).map(|_| any_id()).collect();
    for event_id in &events {
        ensure_eq!(take(&storage, *event_id).await?, Intake::New, "the first time");
    }
    ensure_eq!(prune_inbox(&storage, LONG_AGO, 3).await?, 0, "removed of what is young");
    ensure_eq!(forgotten(&storage, &events).await?, Vec::<Uuid>::new(), "forgotten of what is young");
    let first = storage.retention.prune_inbox(None, FAR, 3).await?;
    ensure!(first.reached.is_some() && (3..7).contains(&first.removed), "the first of several batches: {first:?}");
    let rest = 7 - first.removed;
    ensure_eq!(prune_inbox(&storage, FAR, 3).await?, rest, "removed by the batches after it");
    ensure_eq!(forgotten(&storage, &events).await?, events, "forgotten");
    ensure_eq!(prune_inbox(&storage, FAR, 3).await?, 0, "removed of nothing");
    Ok(())
}

fn addressed(event: &EventEnvelope) -> Addressed {
    Addressed { handler: HANDLER.into(), group: "g".into(), event: Arc::new(event.clone()) }
}

async fn records_of_events_that_can_still_come_stay(storage: Storage) -> Checked {
    let partition = Partition(3);
    let published = history(&key_in(partition, 0), 1..=3);
    let [pending, parked, dead] = ["pending", "parked", "dead"].map(|subject| event(subject, 1));
    let unknown = any_id();
    storage.journal.append(&published).await?;
    storage.record(std::slice::from_ref(&pending)).await?;
    let taken: Vec<Uuid> = published.iter().chain([&pending]).map(|event| event.id).chain([unknown]).collect();
    for event_id in &taken {
        take(&storage, *event_id).await?;
    }
    let failures = Failures { attempts: 1, first_at: LONG_AGO, last_at: LONG_AGO, error: "e".into() };
    storage.parking.park(&addressed(&parked), Some(&failures), FAR).await?;
    let dying = addressed(&dead);
    storage.parking.bury(&dying, DeathReason::Permanent, &failures, AfterDeadLetter::Continue).await?;
    storage.positions.join("g", &JournalCursor::default()).await?;
    storage.positions.join("h", &JournalCursor([u64::from(u32::MAX); PARTITIONS as usize])).await?;
    let leases = storage.all_leases("group:g", "m").await?;
    let lease = leases.iter().find(|l| l.partition == partition).ok_or_else(|| Failure("no lease".into()))?;
    storage.positions.advance("g", &[(lease.clone(), 1)]).await?;

    prune_inbox(&storage, FAR, 2).await?;
    let all: Vec<Uuid> = taken.iter().copied().chain([parked.id, dead.id]).collect();
    let gone = vec![published[0].id, unknown];
    ensure_eq!(forgotten(&storage, &all).await?, gone, "forgotten: what no group, relay or operator can bring back");
    storage.positions.advance("g", &[(lease.clone(), 3)]).await?;
    prune_inbox(&storage, FAR, 2).await?;
    let gone: Vec<Uuid> = published.iter().map(|event| event.id).chain([unknown]).collect();
    ensure_eq!(forgotten(&storage, &all).await?, gone, "forgotten once the group has passed them");
    Ok(())
}

/// Publishes events of a key one after the other, at different times.
async fn publish(storage: &Storage, partition: Partition, sequences: std::ops::RangeInclusive<u64>) -> Checked {
    for event in history(&key_in(partition, 0), sequences) {
        storage.journal.append(std::slice::from_ref(&event)).await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

async fn entries(storage: &Storage, partition: Partition) -> Checked<Vec<JournalEntry>> {
    Ok(storage.journal.read(partition, 0, 100).await?)
}

async fn positions(storage: &Storage, partition: Partition) -> Checked<Vec<u64>> {
    Ok(entries(storage, partition).await?.iter().map(|entry| entry.position).collect())
}

async fn the_journal_is_removed_from_its_oldest_end(storage: Storage) -> Checked {
    let (partition, other) = (Partition(4), Partition(9));
    publish(&storage, partition, 1..=6).await?;
    publish(&storage, other, 1..=2).await?;
    let retention = &storage.retention;
    let kept = entries(&storage, partition).await?;
    let fourth = kept.get(3).map(|entry| entry.published_at).ok_or_else(|| Failure("no fourth entry".into()))?;
    ensure_eq!(retention.prune_journal(partition, LONG_AGO, 10).await?, 0, "removed of what is young");
    ensure_eq!(retention.prune_journal(Partition(5), FAR, 10).await?, 0, "removed of an empty partition");
    ensure_eq!(retention.prune_journal(partition, fourth, 2).await?, 2, "removed of a batch of two");
    ensure_eq!(retention.prune_journal(partition, fourth, 2).await?, 1, "removed of what is left of that age");
    ensure_eq!(retention.prune_journal(partition, fourth, 2).await?, 0, "removed when nothing of that age is left");
    ensure_eq!(entries(&storage, partition).await?, kept[3..].to_vec(), "what is left");
    let spans = retention.journal_spans().await?;
    let found: Vec<(Partition, u64, u64)> = spans.iter().map(|s| (s.partition, s.first, s.last)).collect();
    ensure_eq!(found, vec![(partition, 4, 6), (other, 1, 2)], "spans");
    ensure_eq!(spans[0].oldest, fourth, "when the oldest was published");
    ensure_eq!(retention.prune_journal(partition, FAR, 10).await?, 2, "removed of all");
    ensure_eq!(positions(&storage, partition).await?, vec![6], "the newest stays");
    publish(&storage, partition, 7..=8).await?;
    ensure_eq!(positions(&storage, partition).await?, vec![6, 7, 8], "positions go on");
    let heads = storage.journal.heads().await?;
    ensure_eq!(heads.0.get(4).copied(), Some(8), "the head");
    let merged = storage.journal.read_all(&JournalCursor::default(), 100).await?;
    ensure_eq!(merged.len(), 5, "entries of all partitions");
    ensure_eq!(positions(&storage, other).await?, vec![1, 2], "the other partition");
    Ok(())
}

async fn the_journal_keeps_what_a_group_has_not_acknowledged(storage: Storage) -> Checked {
    let partition = Partition(2);
    publish(&storage, partition, 1..=6).await?;
    for (group, position) in [("ahead", 5), ("behind", 3)] {
        storage.positions.join(group, &JournalCursor::default()).await?;
        let leases = storage.all_leases(&format!("group:{group}"), "m").await?;
        let to: Vec<_> = leases.into_iter().map(|lease| (lease, position)).collect();
        storage.positions.advance(group, &to).await?;
    }
    ensure_eq!(storage.retention.prune_journal(partition, FAR, 2).await?, 2, "removed of a batch");
    ensure_eq!(storage.retention.prune_journal(partition, FAR, 10).await?, 1, "removed up to the group behind");
    ensure_eq!(positions(&storage, partition).await?, vec![4, 5, 6], "what is left");
    storage.positions.join("new", &JournalCursor::default()).await?;
    ensure_eq!(storage.retention.prune_journal(partition, FAR, 10).await?, 0, "removed with a group at the start");
    Ok(())
}

async fn the_journal_is_kept_while_a_replay_goes_on(storage: Storage) -> Checked {
    let partition = partition_of("s");
    storage.journal.append(&history("s", 1..=3)).await?;
    storage.replays.begin("replayed", None, None).await?;
    ensure_eq!(storage.retention.prune_journal(partition, FAR, 10).await?, 0, "removed during the replay");
    storage.replays.end("replayed").await?;
    ensure_eq!(storage.retention.prune_journal(partition, FAR, 10).await?, 2, "removed after it");
    Ok(())
}

async fn claim(storage: &Storage, key: &str) -> Checked<Claim> {
    let key = IdempotencyKey { scope: "POST /things".into(), key: key.into(), fingerprint: [7; 16] };
    let response = crate::ports::StoredResponse { status: 201, headers: Vec::new(), body: "done".into() };
    let mut uow = storage.begin().await?;
    let claim = uow.idempotency().claim(&key).await?;
    if claim == Claim::New {
        uow.idempotency().answer(&key, &response).await?;
    }
    uow.commit().await?;
    Ok(claim)
}

async fn idempotency_keys_go_by_age(storage: Storage) -> Checked {
    for key in ["a", "b", "c"] {
        ensure_eq!(claim(&storage, key).await?, Claim::New, "the first time");
    }
    let retention = &storage.retention;
    ensure_eq!(retention.prune_idempotency_keys(LONG_AGO, 10).await?, 0, "removed of what is young");
    ensure!(claim(&storage, "a").await? != Claim::New, "a key that is young is new");
    ensure_eq!(retention.prune_idempotency_keys(FAR, 2).await?, 2, "removed of a batch of two");
    ensure_eq!(retention.prune_idempotency_keys(FAR, 2).await?, 1, "the rest");
    ensure_eq!(claim(&storage, "a").await?, Claim::New, "a key that was removed");
    Ok(())
}

async fn traces_of_workers_go_by_age(storage: Storage) -> Checked {
    let events: Vec<Uuid> = (0..3).map(|_| any_id()).collect();
    let (retention, marks) = (&storage.retention, &storage.crash_marks);
    for id in &events {
        marks.mark(HANDLER, *id).await?;
        marks.running("g", *id).await?;
    }
    ensure_eq!(retention.prune_crash_marks(LONG_AGO, 10).await?, 0, "marks removed that are young");
    ensure_eq!(retention.prune_worker_runs(LONG_AGO, 10).await?, 0, "runs removed that are young");
    ensure_eq!(marks.runs("g").await?.len(), 3, "runs");
    ensure_eq!(retention.prune_crash_marks(FAR, 2).await?, 2, "marks removed of a batch of two");
    ensure_eq!(retention.prune_crash_marks(FAR, 2).await?, 1, "the rest of the marks");
    ensure_eq!(retention.prune_worker_runs(FAR, 2).await?, 2, "runs removed of a batch of two");
    ensure_eq!(retention.prune_worker_runs(FAR, 2).await?, 1, "the rest of the runs");
    ensure_eq!(marks.runs("g").await?.len(), 0, "runs left");
    for id in &events {
        ensure_eq!(marks.left(HANDLER, *id).await?, 0, "marks left");
    }
    Ok(())
}
