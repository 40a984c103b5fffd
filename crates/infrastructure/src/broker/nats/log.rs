use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use activelog_application::ports::{Clock, JournalCursor, Lag, PARTITIONS, Partition, StorageError};
use async_nats::jetstream::{
    Message,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
    stream::Stream,
};
use async_trait::async_trait;
use futures::{StreamExt, future::try_join_all};
use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use super::{
    connection::{AnyError, Connection},
    error::unavailable,
    headers,
};
use crate::{
    broker::partitioned::{LogEntry, Page, PagesRead, PartitionLog},
    clock::SystemClock,
};

/// How long a read waits for the first event.
const WAIT: Duration = Duration::from_secs(5);

/// How long the server keeps a reader that nobody uses.
const INACTIVE: Duration = Duration::from_secs(30);

/// How often the server says that a reader with nothing to read is alive: two that are missing end it.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// How often it is looked whether something waits for a reader that gets nothing: what waits at two looks in a row and has not come makes it a dead one, whatever
/// its heartbeats say.
const LOOK: Duration = Duration::from_secs(5);

/// How many events the server sends ahead.
const AHEAD: usize = 256;

/// The stream, read by position: its sequence numbers, counted from [`base`]. Those of a partition have gaps.
pub(super) struct NatsLog {
    connection: Connection,
    /// Readers that nobody uses at the moment, by where they stand, and since when.
    idle: Mutex<HashMap<(Partition, u64), (Reader, Instant)>>,
}

/// What positions count from: when the stream was made, in microseconds. One that was deleted and made anew so goes on with higher positions, and nobody who stood in
/// the one before misses what is in it.
pub(super) fn base(stream: &Stream) -> u64 {
    u64::try_from(stream.cached_info().created.unix_timestamp_nanos() / 1_000).unwrap_or(0)
}

/// The position of the last message.
pub(super) fn head(stream: &Stream) -> u64 {
    base(stream).saturating_add(stream.cached_info().state.last_sequence)
}

/// A consumer of one partition.
struct Reader {
    base: u64,
    /// How often the connection had been made when it began. The server keeps readers in memory: one that was started again has none.
    connected: u64,
    messages: pull::Stream,
    /// The number of the last message the server has sent it: the next has the next.
    sent: u64,
    /// When something last came, or it was looked whether something waits.
    looked: Instant,
    /// The position of what waited for it at the last look, if nothing has come since.
    waiting: Option<u64>,
}

/// Readers in use, each with its page and where it stands. They go back where others find them, unless reading has failed: then the next read begins anew where its
/// page says.
struct InUse<'a> {
    log: &'a NatsLog,
    readers: Vec<(Page, u64, Reader)>,
    failed: bool,
}

impl NatsLog {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, idle: Mutex::default() }
    }

    async fn stream(&self) -> Result<Stream, StorageError> {
        self.connection.stream().await.map_err(|error| unavailable("look at the stream", error))
    }

    fn config(&self, partition: Partition, after: u64, base: u64) -> pull::Config {
        pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: after.saturating_sub(base).saturating_add(1),
            },
            // What was read and not acknowledged is read again from the group's position.
            ack_policy: AckPolicy::None,
            filter_subject: self.connection.subject(partition, ">"),
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..Default::default()
        }
    }

    async fn open(&self, stream: &Stream, page: Page, connected: u64) -> Result<(Page, u64, Reader), AnyError> {
        let base = base(stream);
        let consumer: PullConsumer = stream.create_consumer(self.config(page.partition, page.after, base)).await?;
        let messages =
            consumer.stream().max_messages_per_batch(AHEAD).max_bytes_per_batch(self.connection.ahead_bytes());
        let messages = messages.heartbeat(HEARTBEAT).expires(HEARTBEAT * 3).messages().await?;
        Ok((page, page.after, Reader { base, connected, messages, sent: 0, looked: Instant::now(), waiting: None }))
    }

    /// A reader for each of these pages.
    async fn readers(&self, pages: &[Page], connected: u64) -> Result<InUse<'_>, StorageError> {
        let (mut missing, mut readers) = (Vec::new(), Vec::with_capacity(pages.len()));
        {
            let mut idle = self.idle();
            for page in pages {
                match idle.remove(&(page.partition, page.after)) {
                    Some((reader, _)) if reader.connected == connected => readers.push((*page, page.after, reader)),
                    _ => missing.push(*page),
                }
            }
        }
        let mut in_use = InUse { log: self, readers, failed: false };
        if !missing.is_empty() {
            let stream = self.stream().await?;
            let opened = missing.into_iter().map(|page| self.open(&stream, page, connected));
            let opened = try_join_all(opened).await.map_err(|error| unavailable("read events", error))?;
            in_use.readers.extend(opened);
        }
        Ok(in_use)
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<(Partition, u64), (Reader, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InUse<'_> {
    /// Looks whether something waits for readers that have been silent for long, and fails if something waited at the last look already.
    async fn look(&mut self) -> Result<(), AnyError> {
        let silent = self.readers.iter_mut().filter(|(_, _, reader)| reader.looked.elapsed() >= LOOK);
        let silent: Vec<_> = silent.collect();
        if silent.is_empty() {
            return Ok(());
        }
        let stream = self.log.connection.stream().await?;
        let looks = silent.into_iter().map(async |(page, position, reader)| {
            let subject = self.log.connection.subject(page.partition, ">");
            let after = position.saturating_sub(reader.base);
            let next = stream.raw_message_builder().sequence(after.saturating_add(1)).next_by_subject(subject);
            // What cannot be found out, as there is nothing or the user may not ask, says nothing about the reader.
            let next = next.send().await.ok().map(|message| message.sequence);
            let withheld = next.is_some() && next == reader.waiting;
            (reader.looked, reader.waiting) = (Instant::now(), next);
            match withheld {
                true => Err(format!("events wait in partition {} and none is delivered", page.partition.0).into()),
                false => Ok(()),
            }
        });
        let looked = try_join_all(looks).await;
        self.failed |= looked.is_err();
        looked.map(drop)
    }

    /// What has come of all pages, as soon as anything has.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<PagesRead, AnyError>> {
        let mut read = Vec::new();
        for (page, position, reader) in &mut self.readers {
            let mut entries = Vec::new();
            while entries.len() < usize::try_from(page.limit).unwrap_or(usize::MAX) {
                let Poll::Ready(message) = reader.messages.poll_next_unpin(context) else { break };
                let entry = message.ok_or("the server has ended the reader").map_err(AnyError::from);
                let entry = entry.and_then(|message| reader.entry(message?));
                match entry {
                    Ok(entry) => {
                        *position = entry.position;
                        entries.push(entry);
                    }
                    Err(error) => {
                        self.failed = true;
                        return Poll::Ready(Err(error));
                    }
                }
            }
            if !entries.is_empty() {
                read.push((*page, entries));
            }
        }
        if read.is_empty() { Poll::Pending } else { Poll::Ready(Ok(read)) }
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        if self.failed {
            return;
        }
        let (now, mut idle) = (Instant::now(), self.log.idle());
        // The server has ended these, or is about to.
        idle.retain(|_, (_, since)| now.duration_since(*since) < INACTIVE);
        for (page, position, reader) in self.readers.drain(..) {
            idle.insert((page.partition, position), (reader, now));
        }
    }
}

fn instant(time: async_nats::datetime::DateTime) -> Timestamp {
    Timestamp::from_nanosecond(time.unix_timestamp_nanos()).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Reader {
    fn entry(&mut self, message: Message) -> Result<LogEntry, AnyError> {
        let info = message.info()?;
        self.sent += 1;
        (self.looked, self.waiting) = (Instant::now(), None);
        if info.consumer_sequence != self.sent {
            return Err(format!("message {} came where {} was due", info.consumer_sequence, self.sent).into());
        }
        let position = self.base.saturating_add(info.stream_sequence);
        let arrived = instant(info.published);
        let event = headers::open(message.headers.as_ref(), message.payload.clone(), arrived).inspect_err(|reason| {
            let subject = message.subject.as_str();
            tracing::error!(subject, position, %reason, "a message is no CloudEvent that could be read; nobody gets it");
        });
        Ok(LogEntry { position, event: event.ok().map(Arc::new) })
    }
}

#[async_trait]
impl PartitionLog for NatsLog {
    fn waits(&self) -> bool {
        true
    }

    async fn read(&self, pages: &[Page]) -> Result<PagesRead, StorageError> {
        let mut connected = self.connection.connected();
        let times = *connected.borrow_and_update();
        let mut readers = self.readers(pages, times).await?;
        readers.look().await.map_err(|error| unavailable("read events", error))?;
        // Whatever a poll finds it answers at once: a call that is dropped while it waits has taken nothing.
        let read = tokio::select! {
            read = timeout(WAIT, poll_fn(|context| readers.poll(context))) => read.unwrap_or_else(|_| Ok(Vec::new())),
            // The driver would find out by heartbeats that are missing, seconds later.
            Ok(()) = connected.changed() => Ok(Vec::new()),
        };
        read.map_err(|error| unavailable("read events", error))
    }

    async fn heads(&self) -> Result<JournalCursor, StorageError> {
        Ok(JournalCursor([head(&self.stream().await?); PARTITIONS as usize]))
    }

    async fn lag(&self, positions: &JournalCursor) -> Result<Lag, StorageError> {
        let stream = self.stream().await?;
        let base = base(&stream);
        let failed = |error: AnyError| unavailable("look at the stream", error);
        let behind = (0..PARTITIONS).map(Partition).zip(positions.0).map(async |(partition, position)| {
            let mut config = self.config(partition, position, base);
            config.inactive_threshold = Duration::from_secs(1);
            let consumer = stream.create_consumer(config).await.map_err(|error| failed(error.into()))?;
            let pending = consumer.cached_info().num_pending;
            let oldest = match pending {
                0 => None,
                _ => stream
                    .direct_get_next_for_subject(
                        self.connection.subject(partition, ">"),
                        Some(position.saturating_sub(base) + 1),
                    )
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
