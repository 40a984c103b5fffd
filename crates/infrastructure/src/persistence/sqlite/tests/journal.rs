use std::{collections::HashSet, time::Duration};

use activelog_application::ports::{
    GroupPositions, Journal, JournalCursor, Lease, LeaseStore, OutboxStore, PARTITIONS, Partition, StorageErrorKind,
    partition_of,
};
use activelog_domain::event::EventEnvelope;
use futures::future::join_all;

use super::support::{Scratch, event, leases, new_id};

async fn append(scratch: &Scratch, events: &[EventEnvelope]) {
    let mut unit = scratch.begin().await;
    unit.outbox().append(events).await.expect("appends");
    unit.commit().await.expect("commits");
}

fn of(leases: &[Lease], partition: Partition) -> &Lease {
    leases.iter().find(|lease| lease.partition == partition).expect("a lease")
}

async fn positions(scratch: &Scratch, partition: Partition) -> Vec<u64> {
    let entries = scratch.database.read(partition, 0, 1_000).await.expect("reads");
    entries.iter().map(|entry| entry.position).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_have_no_gaps_whoever_completes_when() {
    let scratch = Scratch::new().await;
    let events: Vec<_> = (0..1_200).map(|_| event(new_id(), 1)).collect();
    append(&scratch, &events).await;
    let leases = leases(&scratch.database, "relay", "a").await;
    let moves = (0..PARTITIONS).flat_map(|n| [Partition(n); 4]).map(|partition| {
        let (scratch, leases) = (&scratch, &leases);
        async move {
            let lease = of(leases, partition);
            let rows = scratch.database.pending(partition, 0, 7).await.expect("reads");
            let rows: Vec<i64> = rows.iter().rev().map(|row| row.id).collect();
            // Some of these rows have been moved by the others meanwhile.
            scratch.database.complete(lease, &rows).await.expect("completes");
            while scratch.database.complete_oldest(std::slice::from_ref(lease), 5).await.expect("completes") > 0 {}
        }
    });
    join_all(moves).await;
    assert_eq!(scratch.database.depth().await.expect("a depth").events, 0);
    let heads = scratch.database.heads().await.expect("heads");
    let mut ids = HashSet::new();
    for n in 0..PARTITIONS {
        let entries = scratch.database.read(Partition(n), 0, 1_000).await.expect("reads");
        let found: Vec<u64> = entries.iter().map(|entry| entry.position).collect();
        assert_eq!(found, (1..=heads.0[usize::from(n)]).collect::<Vec<_>>());
        ids.extend(entries.iter().map(|entry| entry.event.id));
    }
    assert_eq!(ids, events.iter().map(|event| event.id).collect());
}

#[tokio::test]
async fn rows_are_moved_as_they_are_and_in_their_order() {
    let scratch = Scratch::new().await;
    let subject = new_id();
    let events: Vec<_> = (1..=5).map(|sequence| event(subject, sequence)).collect();
    append(&scratch, &events).await;
    let partition = partition_of(&events[0].partition_key);
    let leases = leases(&scratch.database, "relay", "a").await;
    let rows: Vec<i64> =
        scratch.database.pending(partition, 0, 10).await.expect("reads").iter().rev().map(|row| row.id).collect();
    assert_eq!(scratch.database.complete(of(&leases, partition), &rows).await.expect("completes"), 5);
    let entries = scratch.database.read(partition, 0, 10).await.expect("reads");
    assert_eq!(entries.into_iter().map(|entry| entry.event).collect::<Vec<_>>(), events);
    // All of it comes back from a read over all partitions too, and none of it twice.
    let all = scratch.database.read_all(&JournalCursor::default(), 3).await.expect("reads");
    assert_eq!(all.iter().map(|entry| entry.position).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn who_lost_the_lease_changes_nothing() {
    let scratch = Scratch::new().await;
    let event = event(new_id(), 1);
    append(&scratch, std::slice::from_ref(&event)).await;
    let partition = partition_of(&event.partition_key);
    let old = leases(&scratch.database, "relay", "a").await;
    scratch.database.leave("relay", "a").await.expect("leaves");
    let released = scratch.database.complete_oldest(std::slice::from_ref(of(&old, partition)), 10).await;
    assert_eq!(released.err().map(|error| error.kind), Some(StorageErrorKind::Fenced));
    let new = leases(&scratch.database, "relay", "b").await;
    let stale = scratch.database.complete_oldest(std::slice::from_ref(of(&old, partition)), 10).await;
    assert_eq!(stale.err().map(|error| error.kind), Some(StorageErrorKind::Fenced));
    assert_eq!(positions(&scratch, partition).await, Vec::<u64>::new());
    assert_eq!(scratch.database.complete_oldest(std::slice::from_ref(of(&new, partition)), 10).await.ok(), Some(1));
}

#[tokio::test]
async fn an_event_that_is_in_the_journal_already_only_leaves_the_outbox() {
    let scratch = Scratch::new().await;
    let events = [event(new_id(), 1)];
    let partition = partition_of(&events[0].partition_key);
    append(&scratch, &events).await;
    for _ in 0..2 {
        scratch.database.append(&[events[0].clone(), events[0].clone()]).await.expect("appends");
    }
    let leases = leases(&scratch.database, "relay", "a").await;
    assert_eq!(scratch.database.complete_oldest(std::slice::from_ref(of(&leases, partition)), 10).await.ok(), Some(1));
    assert_eq!(positions(&scratch, partition).await, [1]);
}

#[tokio::test]
async fn a_group_advances_as_a_whole_or_not_at_all() {
    let scratch = Scratch::new().await;
    let database = &scratch.database;
    let start = JournalCursor([7; 16]);
    assert_eq!(database.join("g", &start).await.expect("joins"), start);
    assert_eq!(database.join("g", &JournalCursor::default()).await.expect("joins"), start);
    let held = leases(database, "group:g", "a").await;
    database.advance("g", &[(held[0].clone(), 9), (held[1].clone(), 3)]).await.expect("advances");
    let lost = Lease { epoch: held[3].epoch + 1, ..held[3].clone() };
    let refused = database.advance("g", &[(held[2].clone(), 20), (lost, 20)]).await;
    assert_eq!(refused.err().map(|error| error.kind), Some(StorageErrorKind::Fenced));
    let mut expected = start;
    expected.0[0] = 9;
    assert_eq!(database.positions("g").await.expect("reads"), expected);
}

#[tokio::test]
async fn members_share_partitions_and_inherit_them() {
    let scratch = Scratch::new().await;
    let database = &scratch.database;
    let beat = async |member: &str, ttl| database.heartbeat("s", member, 16, ttl).await.expect("a heartbeat");
    let long = Duration::from_secs(60);
    assert_eq!(beat("a", long).await.leases.len(), 16);
    let b = beat("b", long).await;
    assert_eq!((b.members, b.leases.len()), (2, 0));
    let a = beat("a", long).await;
    database.release("a", &a.leases[8..]).await.expect("releases");
    assert_eq!(beat("b", Duration::ZERO).await.leases.len(), 8);
    // b is not heard of again.
    let a = beat("a", long).await;
    assert_eq!((a.members, a.leases.len()), (1, 16));
    assert!(a.leases[8..].iter().all(|lease| lease.epoch == 3), "{:?}", a.leases);
}
