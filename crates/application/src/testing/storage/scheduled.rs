use std::collections::BTreeSet;

use activelog_domain::event::EventEnvelope;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Storage,
    case::{Checked, Failure},
    fixture::{LONG, SHORT},
    samples::{any_id, at, event, expect_kind, hard_events, key_in},
};
use crate::ports::{Lease, PARTITIONS, Partition, ScheduledEvent, ScheduledFilter, StorageErrorKind, partition_of};

cases!("scheduled events":
    they_go_out_in_the_order_of_their_times,
    every_attribute_survives_into_the_outbox,
    they_are_there_once_committed_and_not_before,
    a_cancelled_one_never_goes_out,
    one_waits_for_its_sequence_and_holds_up_no_other,
    an_id_that_is_scheduled_is_a_constraint_error,
    a_lost_lease_moves_nothing,
    several_at_once_move_each_once,
    lists_are_filtered_and_paged_in_order,
);

const SCOPE: &str = "scheduler";

/// So many seconds after the suite's time.
fn second(seconds: i64) -> Timestamp {
    at(seconds * 1_000_000)
}

async fn schedule(storage: &Storage, event: &EventEnvelope, due: Timestamp) -> Checked {
    let event = event.clone();
    storage
        .transact(move |uow| {
            let event = event.clone();
            Box::pin(async move { uow.outbox().schedule(&event, due).await })
        })
        .await
}

async fn lease(storage: &Storage, member: &str) -> Checked<Lease> {
    let membership = storage.leases.heartbeat(SCOPE, member, 1, LONG).await?;
    membership.leases.into_iter().next().ok_or_else(|| Failure("the only member got no lease".into()))
}

async fn listed(storage: &Storage) -> Checked<Vec<ScheduledEvent>> {
    Ok(storage.scheduled.list(&ScheduledFilter::default(), None, 500).await?)
}

/// What waits in the outbox, by row.
async fn pending(storage: &Storage) -> Checked<Vec<EventEnvelope>> {
    let mut entries = Vec::new();
    for partition in (0..PARTITIONS).map(Partition) {
        entries.extend(storage.outbox.pending(partition, 0, 1_000).await?);
    }
    entries.sort_by_key(|entry| entry.id);
    Ok(entries.into_iter().map(|entry| entry.event).collect())
}

fn ids<'a>(events: impl IntoIterator<Item = &'a EventEnvelope>) -> Vec<Uuid> {
    events.into_iter().map(|event| event.id).collect()
}

/// Moves everything in the outbox to the journal.
async fn publish(storage: &Storage) -> Checked {
    let leases = storage.all_leases("relay", "a").await?;
    while storage.outbox.complete_oldest(&leases, 100).await? > 0 {}
    Ok(())
}

async fn they_go_out_in_the_order_of_their_times(storage: Storage) -> Checked {
    ensure_eq!(storage.scheduled.next_due().await?, None, "when the next of none is due");
    let [third, first, second_one, last] = [1, 2, 3, 4].map(|n| event(&format!("s-{n}"), 1));
    for (event, due) in [(&third, 30), (&first, 10), (&second_one, 10), (&last, 60)] {
        schedule(&storage, event, second(due)).await?;
    }
    let in_order = ids([&first, &second_one, &third, &last]);
    let found = listed(&storage).await?;
    ensure_eq!(ids(found.iter().map(|s| &s.event)), in_order, "the list's order");
    ensure_eq!(
        found.iter().map(|s| s.due).collect::<Vec<_>>(),
        vec![second(10), second(10), second(30), second(60)],
        "due"
    );
    ensure_eq!(storage.scheduled.next_due().await?, Some(second(10)), "when the next is due");
    let lease = lease(&storage, "a").await?;
    ensure_eq!(storage.scheduled.release(&lease, second(9), 10).await?, 0, "moved before any is due");
    ensure_eq!(pending(&storage).await?, vec![], "in the outbox before any is due");
    ensure_eq!(storage.scheduled.release(&lease, second(30), 2).await?, 2, "moved of a batch of two");
    ensure_eq!(storage.scheduled.release(&lease, second(30), 2).await?, 1, "moved after it");
    ensure_eq!(storage.scheduled.release(&lease, second(30), 2).await?, 0, "moved when nothing more is due");
    ensure_eq!(ids(&pending(&storage).await?), in_order[..3].to_vec(), "the outbox's order");
    ensure_eq!(storage.outbox.depth().await?.events, 3, "events in the outbox");
    ensure_eq!(storage.scheduled.next_due().await?, Some(second(60)), "when the last is due");
    publish(&storage).await?;
    let journal = storage.whole_journal().await?;
    let published: BTreeSet<Uuid> = journal.iter().map(|entry| entry.event.id).collect();
    ensure_eq!(published, in_order[..3].iter().copied().collect::<BTreeSet<_>>(), "the journal");
    Ok(())
}

async fn every_attribute_survives_into_the_outbox(storage: Storage) -> Checked {
    let events = hard_events();
    for (n, event) in (0..).zip(&events) {
        schedule(&storage, event, second(n)).await?;
    }
    let found: Vec<EventEnvelope> = listed(&storage).await?.into_iter().map(|s| s.event).collect();
    ensure!(found == events, "an event changed on the schedule");
    let lease = lease(&storage, "a").await?;
    ensure_eq!(storage.scheduled.release(&lease, second(100), 100).await?, 5, "moved");
    ensure!(pending(&storage).await? == events, "an event changed on its way into the outbox");
    for event in &events {
        let partition = partition_of(&event.partition_key);
        let there = storage.outbox.pending(partition, 0, 100).await?;
        ensure!(there.iter().any(|entry| entry.event.id == event.id), "{} is in another partition", event.subject);
    }
    Ok(())
}

async fn they_are_there_once_committed_and_not_before(storage: Storage) -> Checked {
    let one = event("s", 1);
    for commit in [false, true] {
        let mut uow = storage.begin_deferring().await?;
        uow.outbox().schedule(&one, second(1)).await?;
        ensure_eq!(listed(&storage).await?.len(), 0, "listed before the end");
        if commit {
            uow.commit().await?;
        } else {
            uow.rollback().await;
        }
        ensure_eq!(listed(&storage).await?.len(), usize::from(commit), "listed after the end (commit: {commit})");
    }
    ensure_eq!(pending(&storage).await?, vec![], "in the outbox");
    Ok(())
}

async fn cancel(storage: &Storage, event_id: Uuid, commit: bool) -> Checked<bool> {
    let mut uow = storage.begin().await?;
    let cancelled = uow.outbox().cancel(event_id).await?;
    if commit {
        uow.commit().await?;
    } else {
        uow.rollback().await;
    }
    Ok(cancelled)
}

async fn a_cancelled_one_never_goes_out(storage: Storage) -> Checked {
    let [mine, operators, kept] = [1, 2, 3].map(|n| event(&format!("s-{n}"), 1));
    for event in [&mine, &operators, &kept] {
        schedule(&storage, event, second(1)).await?;
    }
    ensure!(cancel(&storage, mine.id, false).await?, "the first cancellation");
    ensure!(cancel(&storage, mine.id, true).await?, "a cancellation after one that was rolled back");
    ensure!(!cancel(&storage, mine.id, true).await?, "cancelled twice");
    ensure!(storage.scheduled.cancel(operators.id).await?, "an operator's cancellation");
    ensure!(!storage.scheduled.cancel(operators.id).await?, "an operator's second cancellation");
    ensure!(!storage.scheduled.cancel(any_id()).await?, "an event that nobody knows");
    let lease = lease(&storage, "a").await?;
    ensure_eq!(storage.scheduled.release(&lease, second(1), 10).await?, 1, "moved");
    ensure_eq!(ids(&pending(&storage).await?), vec![kept.id], "in the outbox");
    ensure!(!cancel(&storage, kept.id, true).await?, "an event in the outbox was cancelled");
    ensure!(!storage.scheduled.cancel(kept.id).await?, "an operator cancelled an event in the outbox");
    ensure_eq!(ids(&pending(&storage).await?), vec![kept.id], "still in the outbox");
    Ok(())
}

async fn one_waits_for_its_sequence_and_holds_up_no_other(storage: Storage) -> Checked {
    let recorded = event("s", 1);
    storage.record(std::slice::from_ref(&recorded)).await?;
    // All of one sequence, and one of another that is due last.
    let [early, late] = [event("s", 1), event("s", 1)];
    let other = event("t", 1);
    for (event, due) in [(&early, 1), (&late, 2), (&other, 3)] {
        schedule(&storage, event, second(due)).await?;
    }
    let lease = lease(&storage, "a").await?;
    ensure_eq!(storage.scheduled.release(&lease, second(9), 1).await?, 1, "moved beside the sequence that waits");
    ensure_eq!(ids(&pending(&storage).await?), vec![recorded.id, other.id], "in the outbox");
    ensure_eq!(storage.scheduled.release(&lease, second(9), 10).await?, 0, "moved while the sequence waits");
    for expected in [&early, &late] {
        publish(&storage).await?;
        ensure_eq!(storage.scheduled.release(&lease, second(9), 10).await?, 1, "moved once the sequence is published");
        ensure_eq!(ids(&pending(&storage).await?), vec![expected.id], "in the outbox");
    }
    ensure_eq!(listed(&storage).await?.len(), 0, "left on the schedule");
    Ok(())
}

async fn an_id_that_is_scheduled_is_a_constraint_error(storage: Storage) -> Checked {
    let one = event("s", 1);
    schedule(&storage, &one, second(1)).await?;
    let again = EventEnvelope { id: one.id, ..event("t", 1) };
    let mut uow = storage.begin().await?;
    let outcome = uow.outbox().schedule(&again, second(2)).await;
    expect_kind(outcome, StorageErrorKind::Constraint, "an event id twice")?;
    uow.rollback().await;
    ensure_eq!(listed(&storage).await?.len(), 1, "scheduled");
    Ok(())
}

async fn a_lost_lease_moves_nothing(storage: Storage) -> Checked {
    schedule(&storage, &event("s", 1), second(1)).await?;
    let slept = storage.leases.heartbeat(SCOPE, "slept", PARTITIONS, SHORT).await?.leases;
    let slept = slept.into_iter().next().ok_or_else(|| Failure("the only member got no lease".into()))?;
    let taken = storage.take_over(SCOPE, "other").await?.leases;
    let outcome = storage.scheduled.release(&slept, second(1), 10).await;
    expect_kind(outcome, StorageErrorKind::Fenced, "a lease that has gone to another")?;
    ensure_eq!(pending(&storage).await?, vec![], "in the outbox");
    ensure_eq!(listed(&storage).await?.len(), 1, "on the schedule");
    let taken = taken.into_iter().next().ok_or_else(|| Failure("no lease was taken over".into()))?;
    ensure_eq!(storage.scheduled.release(&taken, second(1), 10).await?, 1, "moved by the new owner");
    Ok(())
}

async fn several_at_once_move_each_once(storage: Storage) -> Checked {
    let mut all = BTreeSet::new();
    for n in 0..40_u32 {
        let event = event(&format!("s-{n}"), 1);
        all.insert(event.id);
        schedule(&storage, &event, second(i64::from(n % 3))).await?;
    }
    let lease = lease(&storage, "a").await?;
    let movers = (0..4).map(|_| {
        let (storage, lease) = (storage.clone(), lease.clone());
        tokio::spawn(async move {
            let mut moved = 0;
            let mut in_vain = 0;
            while in_vain < 3 {
                match storage.scheduled.release(&lease, second(9), 7).await {
                    Ok(0) => in_vain += 1,
                    Ok(now) => moved += now,
                    Err(error) if error.is_transient() => tokio::task::yield_now().await,
                    Err(error) => return Err(error),
                }
            }
            Ok(moved)
        })
    });
    let mut moved = 0;
    for mover in movers.collect::<Vec<_>>() {
        moved += mover.await??;
    }
    ensure_eq!(moved, 40, "moved in all");
    let found = pending(&storage).await?;
    ensure_eq!(found.len(), 40, "in the outbox");
    ensure_eq!(ids(&found).into_iter().collect::<BTreeSet<_>>(), all, "each once");
    ensure_eq!(listed(&storage).await?.len(), 0, "left on the schedule");
    Ok(())
}

async fn lists_are_filtered_and_paged_in_order(storage: Storage) -> Checked {
    let key = key_in(Partition(1), 0);
    for n in 1..=9 {
        let subject = if n % 3 == 0 { "other" } else { &key };
        let event = EventEnvelope { name: format!("thing.n{}", n % 2), ..event(subject, n) };
        // Later ones are due earlier, and three at a time at once.
        schedule(&storage, &event, second(10 - i64::try_from(n / 4)?)).await?;
    }
    let all = listed(&storage).await?;
    ensure_eq!(all.len(), 9, "all");
    ensure!(all.is_sorted_by_key(ScheduledEvent::place), "the list is out of order");
    let list = |name: Option<&str>, subject: Option<&str>, after, limit| {
        let filter = ScheduledFilter { name: name.map(str::to_owned), subject: subject.map(str::to_owned) };
        let storage = storage.clone();
        async move { storage.scheduled.list(&filter, after, limit).await }
    };
    for limit in [1, 2, 9, 10] {
        let mut found: Vec<ScheduledEvent> = Vec::new();
        loop {
            let page = list(None, None, found.last().map(ScheduledEvent::place), limit).await?;
            if page.is_empty() {
                break;
            }
            ensure!(page.len() <= limit as usize, "a page of {limit} holds {}", page.len());
            found.extend(page);
        }
        ensure_eq!(found, all, "pages of {limit}");
    }
    let wanted = |name: Option<&str>, subject: Option<&str>| {
        let event_fits = |e: &EventEnvelope| {
            name.is_none_or(|name| name == e.name) && subject.is_none_or(|subject| subject == e.subject)
        };
        all.iter().filter(|s| event_fits(&s.event)).cloned().collect::<Vec<_>>()
    };
    for (name, subject) in
        [(Some("thing.n1"), None), (None, Some("other")), (Some("thing.n0"), Some("other")), (Some("thing"), None)]
    {
        ensure_eq!(list(name, subject, None, 100).await?, wanted(name, subject), "filtered by {name:?}, {subject:?}");
    }
    Ok(())
}
