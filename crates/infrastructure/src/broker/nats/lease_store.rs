use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use activelog_application::ports::{Clock, Lease, LeaseStore, Membership, Partition, StorageError};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{connection::Connection, keys::Keys};
use crate::clock::SystemClock;

/// Leases in the bucket: one key for a scope, changed from the revision that was read.
pub(super) struct NatsLeaseStore {
    keys: Keys,
    /// When a member's beat was seen to change, by scope and member.
    beats: Mutex<HashMap<(String, String), (u64, Instant)>>,
}

/// Who is there and who has what.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Scope {
    /// Beats by member: they rise while it lives.
    pub(super) members: BTreeMap<String, u64>,
    /// By partition.
    leases: BTreeMap<u16, Held>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Held {
    epoch: i64,
    /// Empty when it is free.
    owner: String,
}

impl Scope {
    /// The epoch of a partition that somebody holds.
    pub(super) fn held_epoch(&self, partition: Partition) -> Option<i64> {
        self.leases.get(&partition.0).filter(|held| !held.owner.is_empty()).map(|held| held.epoch)
    }
}

impl NatsLeaseStore {
    pub(super) fn new(connection: Connection) -> Self {
        Self { keys: Keys(connection), beats: Mutex::default() }
    }

    /// Changes a scope.
    async fn change<T: Send>(
        &self,
        operation: &'static str,
        scope: &str,
        change: impl Fn(&mut Scope) -> T + Send + Sync,
    ) -> Result<T, StorageError> {
        let change = |content: Option<Scope>| {
            let mut content = content.unwrap_or_default();
            let outcome = change(&mut content);
            (Some(content), outcome)
        };
        self.keys.change(operation, &key(scope), change).await
    }

    /// The members whose beat has not changed for `ttl`, as far as this process has looked.
    fn silent(&self, scope: &str, content: &Scope, ttl: Duration) -> Vec<String> {
        let now = Instant::now();
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.retain(|(of, member), _| of != scope || content.members.contains_key(member));
        let mut silent = Vec::new();
        for (member, beat) in &content.members {
            let seen = beats.entry((scope.to_owned(), member.clone())).or_insert((*beat, now));
            if seen.0 != *beat {
                *seen = (*beat, now);
            } else if now.duration_since(seen.1) >= ttl {
                silent.push(member.clone());
            }
        }
        silent
    }
}

/// The key of a scope. Colons are none of the characters that keys may have.
pub(super) fn key(scope: &str) -> String {
    format!("leases.{}", scope.replace(':', "="))
}

#[async_trait]
impl LeaseStore for NatsLeaseStore {
    async fn heartbeat(
        &self,
        scope: &str,
        member: &str,
        partitions: u16,
        ttl: Duration,
    ) -> Result<Membership, StorageError> {
        let now = SystemClock.now().as_second();
        let beat = |content: &mut Scope| {
            *content.members.entry(member.to_owned()).or_default() += 1;
            for silent in self.silent(scope, content, ttl).into_iter().filter(|silent| silent != member) {
                content.members.remove(&silent);
            }
            for held in content.leases.values_mut() {
                if !content.members.contains_key(&held.owner) {
                    held.owner.clear();
                }
            }
            let share = usize::from(partitions).div_ceil(content.members.len());
            let mut mine = content.leases.values().filter(|held| held.owner == member).count();
            for partition in 0..partitions {
                // One that is made anew, as everything was deleted, must not look like one of before to a member that was frozen meanwhile.
                let held = content.leases.entry(partition).or_insert_with(|| Held { epoch: now, owner: String::new() });
                if mine < share && held.owner.is_empty() {
                    held.epoch += 1;
                    member.clone_into(&mut held.owner);
                    mine += 1;
                }
            }
            let leases = content.leases.iter().filter(|(_, held)| held.owner == member);
            let leases = leases.map(|(partition, held)| Lease {
                scope: scope.to_owned(),
                partition: Partition(*partition),
                epoch: held.epoch,
            });
            Membership { members: u32::try_from(content.members.len()).unwrap_or(u32::MAX), leases: leases.collect() }
        };
        self.change("renew leases", scope, beat).await
    }

    async fn release(&self, member: &str, leases: &[Lease]) -> Result<(), StorageError> {
        let Some(first) = leases.first() else { return Ok(()) };
        let release = |content: &mut Scope| {
            for lease in leases {
                let held = content.leases.get_mut(&lease.partition.0);
                if let Some(held) = held.filter(|held| held.owner == member && held.epoch == lease.epoch) {
                    held.owner.clear();
                }
            }
        };
        self.change("release leases", &first.scope, release).await
    }

    async fn leave(&self, scope: &str, member: &str) -> Result<(), StorageError> {
        let leave = |content: &mut Scope| {
            content.members.remove(member);
            content.leases.values_mut().filter(|held| held.owner == member).for_each(|held| held.owner.clear());
        };
        self.change("leave the group", scope, leave).await
    }
}
