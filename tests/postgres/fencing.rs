use std::time::Duration;

use activelog_application::ports::{
    GroupPositions, Journal, JournalCursor, LeaseStore, OutboxStore, Partition, StorageErrorKind, partition_of,
};

use crate::{
    fixture::{database, event, record, relay_leases},
    support::eventually,
};

const TTL: Duration = Duration::from_secs(30);

/// A relay that lost its lease moves nothing.
#[tokio::test]
async fn a_lost_lease_completes_nothing() {
    let Some((database, _)) = database().await else { return };
    let event = event("k");
    let partition = partition_of("k");
    record(&database, std::slice::from_ref(&event), 1).await;
    let old = relay_leases(&database, "a", TTL).await.remove(usize::from(partition.0));
    database.release("a", std::slice::from_ref(&old)).await.unwrap();
    let refused = database.complete_oldest(std::slice::from_ref(&old), 10).await.expect_err("given back");
    assert_eq!(refused.kind, StorageErrorKind::Fenced);
    let new = relay_leases(&database, "b", TTL).await;
    assert_eq!(new, relay_leases(&database, "b", TTL).await, "renewing keeps the epoch");
    let refused = database.complete_oldest(std::slice::from_ref(&old), 10).await.expect_err("with another owner");
    assert_eq!(refused.kind, StorageErrorKind::Fenced);
    let row = database.pending(partition, 0, 10).await.unwrap()[0].id;
    let refused = database.complete(&old, &[row]).await.expect_err("with another owner");
    assert_eq!(refused.kind, StorageErrorKind::Fenced);
    assert_eq!(database.depth().await.unwrap().events, 1);
    let lease = new.iter().find(|lease| lease.partition == partition).expect("b has what was free");
    assert_eq!(database.complete(lease, &[row, row + 1]).await.unwrap(), 1);
    assert_eq!(database.complete(lease, &[row]).await.unwrap(), 0, "it is no longer there");
    assert_eq!(database.read(partition, 0, 10).await.unwrap()[0].event, event);
}

/// A member that stops renewing loses its leases, and its return does not bring the old ones back.
#[tokio::test]
async fn a_lease_that_ran_out_gets_another_epoch() {
    let Some((database, _)) = database().await else { return };
    let old = relay_leases(&database, "a", Duration::from_millis(50)).await;
    assert_eq!(old.len(), 16);
    let taken = eventually("b takes what ran out", Duration::from_secs(5), || async {
        let leases = relay_leases(&database, "b", TTL).await;
        (leases.len() == 16).then_some(leases)
    })
    .await;
    assert!(old.iter().zip(&taken).all(|(old, new)| new.epoch == old.epoch + 1));
    // Back again: a living member's leases are not taken away.
    let back = database.heartbeat("relay", "a", 16, TTL).await.unwrap();
    assert_eq!((back.members, back.leases.len()), (2, 0));
    database.leave("relay", "b").await.unwrap();
    assert_eq!(relay_leases(&database, "a", TTL).await.len(), 16);
}

/// Two members that begin at once share, and no partition has two owners.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_heartbeats_never_give_a_partition_twice() {
    let Some((database, _)) = database().await else { return };
    let members = (0..6).map(|n| {
        let database = database.clone();
        tokio::spawn(async move {
            let mut held = Vec::new();
            for _ in 0..20 {
                held = relay_leases(&database, &format!("m{n}"), TTL).await;
            }
            held
        })
    });
    let mut owned: Vec<Partition> = Vec::new();
    for member in members.collect::<Vec<_>>() {
        owned.extend(member.await.unwrap().iter().map(|lease| lease.partition));
    }
    let total = owned.len();
    owned.sort_unstable();
    owned.dedup();
    assert_eq!(total, owned.len());
}

/// One lost lease refuses the whole move.
#[tokio::test]
async fn a_group_advances_on_all_partitions_or_none() {
    let Some((database, _)) = database().await else { return };
    let start = JournalCursor::default();
    assert_eq!(database.join("g", &start).await.unwrap(), start);
    let leases = database.heartbeat("group:g", "a", 16, TTL).await.unwrap().leases;
    database.advance("g", &[(leases[0].clone(), 5), (leases[1].clone(), 7)]).await.unwrap();
    database.advance("g", &[(leases[0].clone(), 4)]).await.unwrap();
    database.release("a", &leases[1..2]).await.unwrap();
    let refused = database.advance("g", &[(leases[0].clone(), 9), (leases[1].clone(), 9)]).await;
    assert_eq!(refused.expect_err("one is lost").kind, StorageErrorKind::Fenced);
    let stands = database.positions("g").await.unwrap();
    assert_eq!(stands.0[..3], [5, 7, 0]);
    assert_eq!(database.join("g", &JournalCursor([3; 16])).await.unwrap(), stands, "a known group goes on");
    let other = database.advance("h", &[(leases[0].clone(), 9)]).await;
    assert_eq!(other.expect_err("a lease of another scope").kind, StorageErrorKind::Fenced);
}
