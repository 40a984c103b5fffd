use std::sync::LazyLock;

use activelog_application::ports::{GroupPositions, JournalCursor, Lease, StorageError};
use async_trait::async_trait;
use redis::Script;

use super::{connection::Connection, error::storage_error, log::cursor};

/// The positions of groups, each a hash.
pub(super) struct RedisPositions(pub(super) Connection);

/// Groups, the group; its name, and where it starts in each partition if it is new.
static JOIN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
redis.call('SADD', KEYS[1], ARGV[1])
for index = 2, #ARGV do
  redis.call('HSETNX', KEYS[2], index - 2, ARGV[index])
end
",
    )
});

/// The group, the streams. Answers the positions. A stream that ends before a group's position was deleted meanwhile and began anew: so does the group.
static POSITIONS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local answer = {}
for index = 2, #KEYS do
  local position = tonumber(redis.call('HGET', KEYS[1], index - 2) or 0)
  if position > 0 then
    local head = 0
    if redis.call('EXISTS', KEYS[index]) == 1 then
      local info = redis.call('XINFO', 'STREAM', KEYS[index])
      for at = 1, #info, 2 do
        if info[at] == 'last-generated-id' then
          local first, number = string.match(info[at + 1], '^(%d+)-(%d+)$')
          if first ~= '0' then return redis.error_reply('FOREIGN ' .. KEYS[index] .. ' has an entry that was not added as 0-*') end
          head = tonumber(number)
        end
      end
    end
    if head < position then
      position = 0
      redis.call('HSET', KEYS[1], index - 2, 0)
    end
  end
  answer[#answer + 1] = position
end
return answer
",
    )
});

/// Leases, the group, groups, and the stream of each lease; how much is kept, what groups' keys begin with, the group's name, and partition, epoch and position of each
/// lease. All or nothing. Then trims what every group has behind it: the group is made known again first, lest others trim what it has not had if the groups were deleted.
static ADVANCE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
for index = 4, #ARGV, 3 do
  local lease = redis.call('HGET', KEYS[1], ARGV[index])
  local epoch, owner = '', ''
  if lease then epoch, owner = string.match(lease, '^(%d+)|([^|]*)|') end
  if epoch ~= ARGV[index + 1] or owner == '' then
    return redis.error_reply('FENCED partition ' .. ARGV[index] .. ' has gone to another member')
  end
end
redis.call('SADD', KEYS[3], ARGV[3])
local groups = redis.call('SMEMBERS', KEYS[3])
for index = 4, #ARGV, 3 do
  local partition, position = ARGV[index], tonumber(ARGV[index + 2])
  if position > tonumber(redis.call('HGET', KEYS[2], partition) or 0) then
    redis.call('HSET', KEYS[2], partition, ARGV[index + 2])
    local stream = KEYS[3 + (index - 1) / 3]
    local retain = tonumber(ARGV[1])
    if redis.call('XLEN', stream) > retain + 1000 then
      local least = position
      for _, group in ipairs(groups) do
        least = math.min(least, tonumber(redis.call('HGET', ARGV[2] .. group, partition) or 0))
      end
      local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
      local head = tonumber(string.match(newest[1], '-(%d+)$'))
      local from = math.min(least, head - retain) + 1
      if from > 1 then redis.call('XTRIM', stream, 'MINID', '~', string.format('0-%d', from)) end
    end
  end
end
",
    )
});

/// Groups, the group, its members, its leases; its name. Answers 0, with nothing done, while members live.
static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', time[1] * 1000 + math.floor(time[2] / 1000))
if redis.call('ZCARD', KEYS[3]) > 0 then return 0 end
redis.call('SREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
return 1
",
    )
});

#[async_trait]
impl GroupPositions for RedisPositions {
    async fn join(&self, group: &str, start: &JournalCursor) -> Result<JournalCursor, StorageError> {
        let mut script = JOIN.key(self.0.keys.groups());
        script.key(self.0.keys.group(group)).arg(group).arg(&start.0[..]);
        let joined: Result<(), _> = script.invoke_async(&mut self.0.commands()).await;
        joined.map_err(|error| storage_error("join the group", error))?;
        self.positions(group).await
    }

    async fn positions(&self, group: &str) -> Result<JournalCursor, StorageError> {
        let mut script = POSITIONS.key(self.0.keys.group(group));
        for stream in self.0.keys.streams() {
            script.key(stream);
        }
        let positions: Result<Vec<u64>, _> = script.invoke_async(&mut self.0.commands()).await;
        positions.map(|positions| cursor(&positions)).map_err(|error| storage_error("read positions", error))
    }

    async fn advance(&self, group: &str, to: &[(Lease, u64)]) -> Result<(), StorageError> {
        let Some((first, _)) = to.first() else { return Ok(()) };
        let keys = &self.0.keys;
        let mut script = ADVANCE.key(keys.leases(&first.scope));
        script.key(keys.group(group)).key(keys.groups());
        script.arg(self.0.options.retain).arg(keys.group_prefix()).arg(group);
        for (lease, position) in to {
            script.key(keys.stream(lease.partition)).arg(lease.partition.0).arg(lease.epoch).arg(*position);
        }
        let moved: Result<(), _> = script.invoke_async(&mut self.0.commands()).await;
        moved.map_err(|error| storage_error("write positions", error))
    }

    async fn is_known(&self, group: &str) -> Result<bool, StorageError> {
        let known: Result<bool, _> =
            redis::cmd("SISMEMBER").arg(self.0.keys.groups()).arg(group).query_async(&mut self.0.commands()).await;
        known.map_err(|error| storage_error("look for a group", error))
    }

    async fn remove(&self, group: &str) -> Result<bool, StorageError> {
        let (keys, scope) = (&self.0.keys, format!("group:{group}"));
        let mut script = REMOVE.key(keys.groups());
        script.key(keys.group(group)).key(keys.members(&scope)).key(keys.leases(&scope)).arg(group);
        let removed: Result<bool, _> = script.invoke_async(&mut self.0.commands()).await;
        removed.map_err(|error| storage_error("remove the group", error))
    }
}
