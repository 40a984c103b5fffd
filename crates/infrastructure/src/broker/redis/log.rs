use std::{collections::HashMap, sync::LazyLock, time::Duration};

use activelog_application::ports::{JournalCursor, Lag, PARTITIONS, Partition, StorageError};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use redis::{RedisError, Script, Value, cmd, from_redis_value_ref, pipe, streams::StreamId, streams::StreamRangeReply};
use tokio_util::sync::DropGuard;

use super::{connection::Connection, error::storage_error};
use crate::broker::{
    partitioned::{LogEntry, PartitionLog},
    wire::{Headers, WireError},
};

/// What the names of fields that are attributes begin with.
pub(super) const ATTRIBUTE: &str = "ce_";

/// The field of the data.
pub(super) const DATA: &str = "data";

/// The streams, read by position.
pub(super) struct RedisLog {
    connection: Connection,
    /// Ends what watches the streams when nobody reads them any more.
    _watch: DropGuard,
}

/// The streams. Answers the last position of each.
static HEADS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local answer = {}
for index = 1, #KEYS do
  answer[index] = 0
  if redis.call('EXISTS', KEYS[index]) == 1 then
    local info = redis.call('XINFO', 'STREAM', KEYS[index])
    for at = 1, #info, 2 do
      if info[at] == 'last-generated-id' then answer[index] = tonumber(string.match(info[at + 1], '-(%d+)$')) end
    end
  end
end
return answer
",
    )
});

/// Positions by partition, as a script answers them.
pub(super) fn cursor(positions: &[u64]) -> JournalCursor {
    let mut cursor = JournalCursor::default();
    for (slot, position) in cursor.0.iter_mut().zip(positions) {
        *slot = *position;
    }
    cursor
}

/// The position of an entry: the second half of its id.
pub(super) fn position(id: &str) -> u64 {
    id.split_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

#[async_trait]
impl PartitionLog for RedisLog {
    async fn read(&self, partition: Partition, position: u64, limit: u32) -> Result<Vec<LogEntry>, StorageError> {
        let stream = self.connection.keys.stream(partition);
        let mut range = cmd("XRANGE");
        range.arg(&stream).arg(format!("0-{}", position.saturating_add(1))).arg("+").arg("COUNT").arg(limit);
        let range: Result<StreamRangeReply, RedisError> = range.query_async(&mut self.connection.commands()).await;
        let range = range.map_err(|error| storage_error("read events", error))?;
        Ok(range.ids.iter().map(|entry| self.entry(partition, entry)).collect())
    }

    async fn heads(&self) -> Result<JournalCursor, StorageError> {
        let mut script = HEADS.prepare_invoke();
        for stream in self.connection.keys.streams() {
            script.key(stream);
        }
        let heads: Result<Vec<u64>, _> = script.invoke_async(&mut self.connection.commands()).await;
        heads.map(|heads| cursor(&heads)).map_err(|error| storage_error("look at the streams", error))
    }

    /// How old the oldest event is, by the server's clock and the event's own time.
    async fn lag(&self, positions: &JournalCursor) -> Result<Lag, StorageError> {
        let heads = self.heads().await?;
        let behind = heads.0.iter().zip(positions.0).map(|(head, position)| head.saturating_sub(position));
        let events: u64 = behind.sum();
        if events == 0 {
            return Ok(Lag::default());
        }
        let mut pipeline = pipe();
        pipeline.cmd("TIME");
        for (partition, position) in (0..PARTITIONS).map(Partition).zip(positions.0) {
            let from = format!("0-{}", position.saturating_add(1));
            pipeline.cmd("XRANGE").arg(self.connection.keys.stream(partition)).arg(from).arg("+").arg("COUNT").arg(1);
        }
        let answers: Result<Vec<Value>, _> = pipeline.query_async(&mut self.connection.commands()).await;
        let answers = answers.map_err(|error| storage_error("look at the streams", error))?;
        let mut answers = answers.iter();
        let now = answers.next().and_then(|time| from_redis_value_ref::<(i64, i64)>(time).ok());
        let now = now.and_then(|(second, _)| Timestamp::from_second(second).ok());
        let firsts = answers.filter_map(|range| from_redis_value_ref::<StreamRangeReply>(range).ok());
        let oldest = firsts.filter_map(|range| range.ids.first().and_then(published_at)).min();
        let age =
            now.zip(oldest).map(|(now, oldest)| Duration::try_from(now.duration_since(oldest)).unwrap_or_default());
        Ok(Lag { events, age })
    }
}

fn published_at(entry: &StreamId) -> Option<Timestamp> {
    entry.get::<String>("ce_time")?.parse().ok()
}

impl RedisLog {
    pub(super) fn new(connection: Connection, watch: DropGuard) -> Self {
        Self { connection, _watch: watch }
    }

    /// An entry as an event. One that is no CloudEvent is told: it must not hold up those behind it.
    fn entry(&self, partition: Partition, entry: &StreamId) -> LogEntry {
        let event = open(&entry.map).inspect_err(|reason| {
            let stream = self.connection.keys.stream(partition);
            tracing::error!(stream, id = entry.id, %reason, "an entry is no CloudEvent that could be read; nobody gets it");
        });
        LogEntry { position: position(&entry.id), event: event.ok() }
    }
}

fn open(fields: &HashMap<String, Value>) -> Result<EventEnvelope, WireError> {
    let (mut headers, mut data) = (Headers::default(), Bytes::new());
    for (name, value) in fields {
        let Value::BulkString(bytes) = value else { continue };
        if name == DATA {
            data = Bytes::copy_from_slice(bytes);
        } else if let Some(attribute) = name.strip_prefix(ATTRIBUTE) {
            headers.add(attribute, String::from_utf8_lossy(bytes));
        }
    }
    headers.open(data, Timestamp::UNIX_EPOCH)
}
