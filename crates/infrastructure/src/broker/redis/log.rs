use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use activelog_application::ports::{JournalCursor, Lag, PARTITIONS, Partition, StorageError, StorageErrorKind};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use redis::{
    Script, Value,
    aio::MultiplexedConnection,
    cmd, from_redis_value_ref, pipe,
    streams::{StreamId, StreamKey, StreamRangeReply, StreamReadReply},
};

use super::{connection::Connection, error::storage_error};
use crate::broker::{
    partitioned::{LogEntry, Page, PagesRead, PartitionLog},
    wire::{Headers, WireError},
};

/// What the names of fields that are attributes begin with.
pub(super) const ATTRIBUTE: &str = "ce_";

/// The field of the data.
pub(super) const DATA: &str = "data";

/// The streams, read by position.
pub(super) struct RedisLog {
    connection: Connection,
    /// Connections for reads that wait, which nobody uses at the moment.
    readers: Mutex<Vec<MultiplexedConnection>>,
}

/// How long the server may hold a read that finds nothing.
const BLOCK: Duration = Duration::from_secs(5);

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
      if info[at] == 'last-generated-id' then
        local first, number = string.match(info[at + 1], '^(%d+)-(%d+)$')
        if first ~= '0' then
          return redis.error_reply('FOREIGN ' .. KEYS[index] .. ' has an entry that was not added as 0-*: positions in it mean nothing. Move the stream out of the way')
        end
        answer[index] = tonumber(number)
      end
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
    fn waits(&self) -> bool {
        true
    }

    async fn read(&self, pages: &[Page]) -> Result<PagesRead, StorageError> {
        let failed = |error| storage_error("read events", error);
        // Of a call that is dropped the server still holds the connection: it goes with the call.
        let idle = self.readers().pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => self.connection.reader(BLOCK).await.map_err(failed)?,
        };
        let streams: Vec<String> = pages.iter().map(|page| self.connection.keys.stream(page.partition)).collect();
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(pages.iter().map(|page| page.limit).max().unwrap_or(1));
        read.arg("BLOCK").arg(u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX));
        read.arg("STREAMS").arg(&streams);
        read.arg(pages.iter().map(|page| format!("0-{}", page.after)).collect::<Vec<_>>());
        let answer: Option<StreamReadReply> = read.query_async(&mut reader).await.map_err(failed)?;
        self.readers().push(reader);
        let keys: Vec<StreamKey> = answer.into_iter().flat_map(|answer| answer.keys).collect();
        if let Some(id) = keys.iter().flat_map(|key| &key.ids).map(|entry| &entry.id).find(|id| !id.starts_with("0-")) {
            let reason = format!(
                "the entry {id} was not added as 0-*: positions in its stream mean nothing. Move it out of the way"
            );
            return Err(StorageError::new(StorageErrorKind::Other, "read events", reason));
        }
        Ok(keys.into_iter().filter_map(|key| self.page(pages, &streams, &key)).collect())
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
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, readers: Mutex::default() }
    }

    fn readers(&self) -> MutexGuard<'_, Vec<MultiplexedConnection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read of a stream, with the page that asked for it.
    fn page(&self, pages: &[Page], streams: &[String], read: &StreamKey) -> Option<(Page, Vec<LogEntry>)> {
        let page = pages.get(streams.iter().position(|stream| *stream == read.key)?)?;
        Some((*page, read.ids.iter().map(|entry| self.entry(page.partition, entry)).collect()))
    }

    /// An entry as an event. One that is no CloudEvent is told: it must not hold up those behind it.
    fn entry(&self, partition: Partition, entry: &StreamId) -> LogEntry {
        let event = open(&entry.map).inspect_err(|reason| {
            let stream = self.connection.keys.stream(partition);
            tracing::error!(stream, id = entry.id, %reason, "an entry is no CloudEvent that could be read; nobody gets it");
        });
        LogEntry { position: position(&entry.id), event: event.ok().map(Arc::new) }
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
