use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use activelog_application::ports::{Clock, JournalCursor, Lag, PARTITIONS, Partition, StorageError};
use async_nats::jetstream::{
    Message,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
    stream::Stream,
};
use async_trait::async_trait;
use futures::{FutureExt, StreamExt, future::try_join_all};
use jiff::Timestamp;

use super::{
    connection::{AnyError, Connection},
    error::unavailable,
    headers,
};
use crate::{
    broker::partitioned::{LogEntry, PartitionLog},
    clock::SystemClock,
};

/// How long a read waits for the first event.
const WAIT: Duration = Duration::from_secs(5);

/// How long the server keeps a reader that nobody uses.
const INACTIVE: Duration = Duration::from_secs(30);

/// How often the server says that a reader with nothing to read is alive: two that are missing end it.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// How many events the server sends ahead.
const AHEAD: usize = 256;

/// The stream, read by position: its sequence numbers. Those of a partition have gaps.
pub(super) struct NatsLog {
    connection: Connection,
    /// Readers that nobody uses at the moment, by where they stand.
    readers: Mutex<HashMap<(Partition, u64), Vec<Reader>>>,
}

/// A consumer of one partition.
struct Reader {
    messages: pull::Stream,
    /// The number of the last message the server has sent it: the next has the next.
    sent: u64,
}

impl NatsLog {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, readers: Mutex::default() }
    }

    async fn stream(&self) -> Result<Stream, StorageError> {
        self.connection.stream().await.map_err(|error| unavailable("look at the stream", error))
    }

    fn config(&self, partition: Partition, after: u64) -> pull::Config {
        pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: after.saturating_add(1) },
            // What was read and not acknowledged is read again from the group's position.
            ack_policy: AckPolicy::None,
            filter_subject: self.connection.subject(partition, ">"),
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..Default::default()
        }
    }

    async fn open(&self, partition: Partition, after: u64) -> Result<Reader, StorageError> {
        let failed = |error: AnyError| unavailable("read events", error);
        let consumer: PullConsumer =
            self.stream().await?.create_consumer(self.config(partition, after)).await.map_err(|e| failed(e.into()))?;
        let messages =
            consumer.stream().max_messages_per_batch(AHEAD).max_bytes_per_batch(self.connection.ahead_bytes());
        let messages = messages.heartbeat(HEARTBEAT).expires(HEARTBEAT * 3).messages().await;
        Ok(Reader { messages: messages.map_err(|e| failed(e.into()))?, sent: 0 })
    }

    fn take(&self, partition: Partition, after: u64) -> Option<Reader> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&(partition, after))?.pop()
    }

    fn keep(&self, partition: Partition, after: u64, reader: Reader) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|_, readers| !readers.is_empty());
        readers.entry((partition, after)).or_default().push(reader);
    }
}

fn instant(time: async_nats::datetime::DateTime) -> Timestamp {
    Timestamp::from_nanosecond(time.unix_timestamp_nanos()).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Reader {
    /// Up to `limit` messages: waits for the first, and takes those that are there.
    async fn read(&mut self, limit: usize) -> Result<Vec<LogEntry>, AnyError> {
        let mut entries = Vec::new();
        let Ok(first) = tokio::time::timeout(WAIT, self.messages.next()).await else { return Ok(entries) };
        let mut next = first;
        loop {
            let message = next.ok_or("the server has ended the reader")??;
            entries.push(self.entry(message)?);
            if entries.len() >= limit {
                return Ok(entries);
            }
            match self.messages.next().now_or_never() {
                Some(following) => next = following,
                None => return Ok(entries),
            }
        }
    }

    fn entry(&mut self, message: Message) -> Result<LogEntry, AnyError> {
        let info = message.info()?;
        self.sent += 1;
        if info.consumer_sequence != self.sent {
            return Err(format!("message {} came where {} was due", info.consumer_sequence, self.sent).into());
        }
        let position = info.stream_sequence;
        let arrived = instant(info.published);
        let event = headers::open(message.headers.as_ref(), message.payload.clone(), arrived).inspect_err(|reason| {
            let subject = message.subject.as_str();
            tracing::error!(subject, position, %reason, "a message is no CloudEvent that could be read; nobody gets it");
        });
        Ok(LogEntry { position, event: event.ok() })
    }
}

#[async_trait]
impl PartitionLog for NatsLog {
    fn waits(&self) -> bool {
        true
    }

    async fn read(&self, partition: Partition, position: u64, limit: u32) -> Result<Vec<LogEntry>, StorageError> {
        let mut reader = match self.take(partition, position) {
            Some(reader) => reader,
            None => self.open(partition, position).await?,
        };
        // Dropped together with the call, or after an error: the next begins where this one stood.
        let entries = reader.read(usize::try_from(limit).unwrap_or(usize::MAX)).await;
        let entries = entries.map_err(|error| unavailable("read events", error))?;
        self.keep(partition, entries.last().map_or(position, |entry| entry.position), reader);
        Ok(entries)
    }

    async fn heads(&self) -> Result<JournalCursor, StorageError> {
        let last = self.stream().await?.cached_info().state.last_sequence;
        Ok(JournalCursor([last; PARTITIONS as usize]))
    }

    async fn lag(&self, positions: &JournalCursor) -> Result<Lag, StorageError> {
        let stream = self.stream().await?;
        let failed = |error: AnyError| unavailable("look at the stream", error);
        let behind = (0..PARTITIONS).map(Partition).zip(positions.0).map(async |(partition, position)| {
            let mut config = self.config(partition, position);
            config.inactive_threshold = Duration::from_secs(1);
            let consumer = stream.create_consumer(config).await.map_err(|error| failed(error.into()))?;
            let pending = consumer.cached_info().num_pending;
            let oldest = match pending {
                0 => None,
                _ => stream
                    .direct_get_next_for_subject(self.connection.subject(partition, ">"), Some(position + 1))
                    .await
                    .ok(),
            };
            Ok::<_, StorageError>((pending, oldest.map(|message| instant(message.time))))
        });
        let behind = try_join_all(behind).await?;
        let events = behind.iter().map(|(pending, _)| pending).sum();
        let oldest = behind.iter().filter_map(|(_, time)| *time).min();
        let age = oldest.map(|oldest| Duration::try_from(SystemClock.now().duration_since(oldest)).unwrap_or_default());
        Ok(Lag { events, age })
    }
}
