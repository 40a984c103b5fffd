use std::{sync::LazyLock, time::Duration};

use activelog_application::ports::{Lease, LeaseStore, Membership, Partition, StorageError};
use async_trait::async_trait;
use redis::Script;

use super::{connection::Connection, error::storage_error};

/// Leases in Redis, by the server's clock. A lease is `<epoch>|<owner>|<until, in milliseconds>`; one without an owner is free.
pub(super) struct RedisLeaseStore(pub(super) Connection);

/// Members, leases; member, partitions, ttl. Answers how many members live, then partition and epoch of each lease that the member has.
static HEARTBEAT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local member, partitions, ttl = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ttl, member)
local members = redis.call('ZCARD', KEYS[1])
local share = math.ceil(partitions / members)
local answer, free, held = { members }, {}, 0
local function hold(partition, epoch)
  redis.call('HSET', KEYS[2], partition, string.format('%d|%s|%d', epoch, member, now + ttl))
  held = held + 1
  answer[#answer + 1] = partition
  answer[#answer + 1] = epoch
end
for partition = 0, partitions - 1 do
  -- A lease that is made anew, as everything was deleted, must not look like one of before to a member that was frozen meanwhile.
  local epoch, owner, till = tonumber(time[1]), '', 0
  local lease = redis.call('HGET', KEYS[2], partition)
  if lease then
    epoch, owner, till = string.match(lease, '^(%d+)|([^|]*)|(%d+)$')
    epoch, till = tonumber(epoch), tonumber(till)
  end
  if owner == member then
    hold(partition, epoch)
  elseif till <= now then
    free[#free + 1] = { partition, epoch + 1 }
  end
end
for _, one in ipairs(free) do
  if held >= share then break end
  hold(one[1], one[2])
end
return answer
",
    )
});

/// Leases; member, and partition and epoch of each that is given back.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
for index = 2, #ARGV, 2 do
  local lease = redis.call('HGET', KEYS[1], ARGV[index])
  if lease then
    local epoch, owner = string.match(lease, '^(%d+)|([^|]*)|')
    if owner == ARGV[1] and epoch == ARGV[index + 1] then
      redis.call('HSET', KEYS[1], ARGV[index], epoch .. '||0')
    end
  end
end
",
    )
});

/// Members, leases; member.
static LEAVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
redis.call('ZREM', KEYS[1], ARGV[1])
local leases = redis.call('HGETALL', KEYS[2])
for index = 1, #leases, 2 do
  local epoch, owner = string.match(leases[index + 1], '^(%d+)|([^|]*)|')
  if owner == ARGV[1] then
    redis.call('HSET', KEYS[2], leases[index], epoch .. '||0')
  end
end
",
    )
});

#[async_trait]
impl LeaseStore for RedisLeaseStore {
    async fn heartbeat(
        &self,
        scope: &str,
        member: &str,
        partitions: u16,
        ttl: Duration,
    ) -> Result<Membership, StorageError> {
        let answer: Vec<i64> = HEARTBEAT
            .key(self.0.keys.members(scope))
            .key(self.0.keys.leases(scope))
            .arg(member)
            .arg(partitions)
            .arg(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
            .invoke_async(&mut self.0.commands())
            .await
            .map_err(|error| storage_error("renew leases", error))?;
        let members = answer.first().and_then(|members| u32::try_from(*members).ok()).unwrap_or(1);
        let leases = answer.get(1..).unwrap_or_default().chunks_exact(2).filter_map(|lease| {
            let partition = Partition(u16::try_from(lease[0]).ok()?);
            Some(Lease { scope: scope.to_owned(), partition, epoch: lease[1] })
        });
        Ok(Membership { members, leases: leases.collect() })
    }

    async fn release(&self, member: &str, leases: &[Lease]) -> Result<(), StorageError> {
        for lease in leases {
            let mut script = RELEASE.key(self.0.keys.leases(&lease.scope));
            script.arg(member).arg(lease.partition.0).arg(lease.epoch);
            let done: Result<(), _> = script.invoke_async(&mut self.0.commands()).await;
            done.map_err(|error| storage_error("release leases", error))?;
        }
        Ok(())
    }

    async fn leave(&self, scope: &str, member: &str) -> Result<(), StorageError> {
        let mut script = LEAVE.key(self.0.keys.members(scope));
        script.key(self.0.keys.leases(scope)).arg(member);
        let done: Result<(), _> = script.invoke_async(&mut self.0.commands()).await;
        done.map_err(|error| storage_error("leave the group", error))
    }
}
