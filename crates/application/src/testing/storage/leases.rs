use std::collections::BTreeSet;

use super::{
    Storage,
    case::Checked,
    fixture::{LONG, LeaseTime, SHORT},
};
use crate::ports::{Lease, Membership, PARTITIONS, Partition};

cases!("leases":
    the_only_member_gets_everything,
    a_heartbeat_keeps_what_is_held,
    a_living_member_is_never_robbed,
    what_is_given_back_goes_to_who_lacks_a_share,
    shares_are_rounded_up,
    silent_members_lose_their_partitions_and_epochs_rise,
    who_leaves_is_gone_at_once,
    a_lost_lease_cannot_be_released,
    scopes_are_apart,
    members_at_once_never_hold_the_same_partition,
);

async fn beat(storage: &Storage, member: &str) -> Checked<Membership> {
    Ok(storage.leases.heartbeat("s", member, PARTITIONS, LONG).await?)
}

fn partitions(leases: &[Lease]) -> Vec<u16> {
    leases.iter().map(|lease| lease.partition.0).collect()
}

async fn the_only_member_gets_everything(storage: Storage) -> Checked {
    let membership = beat(&storage, "a").await?;
    ensure_eq!(membership.members, 1, "members");
    ensure_eq!(partitions(&membership.leases), (0..PARTITIONS).collect::<Vec<_>>(), "partitions, in order");
    ensure!(membership.leases.iter().all(|lease| lease.scope == "s"), "leases of another scope");
    Ok(())
}

async fn a_heartbeat_keeps_what_is_held(storage: Storage) -> Checked {
    let first = beat(&storage, "a").await?;
    for _ in 0..3 {
        ensure_eq!(beat(&storage, "a").await?, first, "the same leases with the same epochs");
    }
    Ok(())
}

async fn a_living_member_is_never_robbed(storage: Storage) -> Checked {
    let first = beat(&storage, "a").await?;
    for other in ["b", "c", "b"] {
        let membership = beat(&storage, other).await?;
        ensure_eq!(membership.leases, vec![], "what is left for {other}");
    }
    let again = beat(&storage, "a").await?;
    ensure_eq!(again.members, 3, "members");
    ensure_eq!(again.leases, first.leases, "what it holds is more than its share, and still its own");
    Ok(())
}

async fn what_is_given_back_goes_to_who_lacks_a_share(storage: Storage) -> Checked {
    let first = beat(&storage, "a").await?;
    beat(&storage, "b").await?;
    storage.leases.release("a", &first.leases[8..]).await?;
    let kept = beat(&storage, "a").await?;
    ensure_eq!(kept.leases, first.leases[..8].to_vec(), "it does not take back what it gave");
    let given = beat(&storage, "b").await?;
    ensure_eq!(partitions(&given.leases), (8..PARTITIONS).collect::<Vec<_>>(), "what b got");
    for (old, new) in first.leases[8..].iter().zip(&given.leases) {
        ensure!(
            new.epoch > old.epoch,
            "the epoch of {:?} did not rise: {} after {}",
            new.partition,
            new.epoch,
            old.epoch
        );
    }
    Ok(())
}

async fn shares_are_rounded_up(storage: Storage) -> Checked {
    let members = ["a", "b", "c"];
    for _ in 0..2 {
        for member in members {
            let membership = beat(&storage, member).await?;
            let share = usize::from(PARTITIONS).div_ceil(membership.members as usize);
            let surplus = membership.leases.get(share..).unwrap_or_default();
            storage.leases.release(member, surplus).await?;
        }
    }
    let mut held = Vec::new();
    for member in members {
        let membership = beat(&storage, member).await?;
        ensure_eq!(membership.members, 3, "members");
        ensure!(membership.leases.len() <= 6, "{member} holds {} of 16, shared by three", membership.leases.len());
        held.extend(partitions(&membership.leases));
    }
    held.sort_unstable();
    ensure_eq!(held, (0..PARTITIONS).collect::<Vec<_>>(), "every partition, once");
    Ok(())
}

async fn silent_members_lose_their_partitions_and_epochs_rise(storage: Storage) -> Checked {
    let silent = storage.leases.heartbeat("s", "silent", PARTITIONS, SHORT).await?;
    let taken = storage.take_over("s", "heir").await?;
    ensure_eq!(taken.members, 1, "members alive");
    for (old, new) in silent.leases.iter().zip(&taken.leases) {
        ensure_eq!(new.partition, old.partition, "partitions, in order");
        ensure!(
            new.epoch > old.epoch,
            "the epoch of {:?} did not rise: {} after {}",
            new.partition,
            new.epoch,
            old.epoch
        );
    }
    let awake = beat(&storage, "silent").await?;
    ensure_eq!(awake.members, 2, "members once it has woken up");
    ensure_eq!(awake.leases, vec![], "what it holds once it has woken up");
    ensure_eq!(beat(&storage, "heir").await?.leases, taken.leases, "what the heir holds");
    Ok(())
}

async fn who_leaves_is_gone_at_once(storage: Storage) -> Checked {
    let first = beat(&storage, "a").await?;
    beat(&storage, "b").await?;
    storage.leases.leave("s", "a").await?;
    let second = beat(&storage, "b").await?;
    ensure_eq!((second.members, second.leases.len()), (1, usize::from(PARTITIONS)), "members and leases");
    ensure!(first.leases.iter().zip(&second.leases).all(|(old, new)| new.epoch > old.epoch), "epochs did not rise");
    storage.leases.leave("s", "a").await?;
    storage.leases.leave("nowhere", "nobody").await?;
    ensure_eq!(beat(&storage, "b").await?, second, "after leaving again");
    let back = beat(&storage, "a").await?;
    ensure_eq!((back.members, back.leases.len()), (2, 0), "after coming back");
    Ok(())
}

async fn a_lost_lease_cannot_be_released(storage: Storage) -> Checked {
    let lost = storage.leases.heartbeat("s", "zombie", PARTITIONS, SHORT).await?.leases;
    let taken = storage.take_over("s", "heir").await?;
    storage.leases.release("zombie", &lost).await?;
    storage.leases.release("zombie", &taken.leases).await?;
    storage.leases.release("heir", &lost).await?;
    storage.leases.leave("s", "zombie").await?;
    let other = beat(&storage, "other").await?;
    ensure_eq!(other.leases, vec![], "what a zombie gave away");
    ensure_eq!(beat(&storage, "heir").await?.leases, taken.leases, "what the heir holds");
    Ok(())
}

async fn scopes_are_apart(storage: Storage) -> Checked {
    beat(&storage, "a").await?;
    let other = storage.leases.heartbeat("t", "b", 4, LONG).await?;
    ensure_eq!((other.members, partitions(&other.leases)), (1, vec![0, 1, 2, 3]), "another scope of four partitions");
    storage.leases.leave("t", "b").await?;
    ensure_eq!(beat(&storage, "a").await?.leases.len(), usize::from(PARTITIONS), "the first scope");
    Ok(())
}

async fn members_at_once_never_hold_the_same_partition(storage: Storage) -> Checked {
    for round in 0..5 {
        let scope = format!("round-{round}");
        let tasks = ["a", "b", "c", "d"].map(|member| {
            let (storage, scope) = (storage.clone(), scope.clone());
            tokio::spawn(async move {
                // Members that all start at once may be in each other's way.
                loop {
                    match storage.leases.heartbeat(&scope, member, PARTITIONS, LONG).await {
                        Err(error) if error.is_transient() => tokio::task::yield_now().await,
                        done => return done,
                    }
                }
            })
        });
        let mut held: BTreeSet<Partition> = BTreeSet::new();
        for task in tasks {
            for lease in task.await??.leases {
                ensure!(held.insert(lease.partition), "two members hold {:?}", lease.partition);
            }
        }
    }
    if let LeaseTime::Manual(advance) = &storage.lease_time {
        advance(SHORT);
    }
    Ok(())
}
