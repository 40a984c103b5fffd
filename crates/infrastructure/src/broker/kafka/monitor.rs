use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use activelog_application::ports::BrokerHealth;
use rdkafka::{
    Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode,
};
use tokio::{sync::Notify, time::Instant};
use tokio_util::task::AbortOnDropHandle;

use super::{
    config::Settings,
    context::LogContext,
    error::{is_distrust, is_missing, is_refusal, is_settling},
    off_thread::OffThread,
    topic,
};

/// How often the brokers are asked how they are.
const INTERVAL: Duration = Duration::from_secs(3);

/// The shortest pause between two questions.
const PAUSE: Duration = Duration::from_millis(200);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Offsets by partition.
pub(super) type Offsets = BTreeMap<i32, i64>;

/// Looks at the brokers and the topic again and again, and makes the topic anew when it is gone.
#[derive(Clone)]
pub(super) struct Monitor {
    core: Arc<Core>,
    _task: Arc<AbortOnDropHandle<()>>,
}

struct Core {
    settings: Settings,
    client: OffThread<BaseConsumer<LogContext>>,
    seen: Mutex<Seen>,
    nudge: Notify,
}

/// What the last look has found.
struct Seen {
    failing: Option<String>,
    since: Instant,
    ends: Arc<Offsets>,
    looks: u64,
}

impl Monitor {
    /// Begins. Fails when no broker answers now, or the topic is missing and cannot be made.
    pub(super) async fn start(settings: &Settings) -> KafkaResult<Self> {
        let client = BaseConsumer::from_config_and_context(&settings.client("monitor"), LogContext)?;
        let seen = Seen { failing: None, since: Instant::now(), ends: Arc::default(), looks: 0 };
        let client = OffThread::new(client);
        let core = Core { settings: settings.clone(), client, seen: Mutex::new(seen), nudge: Notify::new() };
        let core = Arc::new(core);
        let deadline = Instant::now() + settings.options.timeout * 2;
        loop {
            match core.look().await {
                Ok(true) => break,
                // A topic that was just made has no leaders yet.
                Ok(false) if Instant::now() < deadline => tokio::time::sleep(PAUSE / 4).await,
                Err(error) if is_settling(&error) && Instant::now() < deadline => tokio::time::sleep(PAUSE / 4).await,
                Ok(false) => return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable)),
                Err(error) => return Err(error),
            }
        }
        let task = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&core).run()));
        Ok(Self { core, _task: Arc::new(task) })
    }

    /// Has it look now.
    pub(super) fn nudge(&self) {
        self.core.nudge.notify_one();
    }

    /// What it knows.
    pub(super) fn health(&self) -> BrokerHealth {
        self.core.seen().failing.clone().map_or(BrokerHealth::Up, BrokerHealth::Degraded)
    }

    /// For how long everything has been well.
    pub(super) fn well_for(&self) -> Duration {
        let seen = self.core.seen();
        if seen.failing.is_some() { Duration::ZERO } else { seen.since.elapsed() }
    }

    /// Where the partitions end, as of the last look, and the number of the look.
    pub(super) fn ends(&self) -> (u64, Arc<Offsets>) {
        let seen = self.core.seen();
        (seen.looks, Arc::clone(&seen.ends))
    }

    /// The partitions of the topic.
    pub(super) fn partitions(&self) -> Vec<i32> {
        self.core.seen().ends.keys().copied().collect()
    }

    /// The offset of every partition at its beginning or end. Blocks.
    pub(super) fn offsets(&self, at: Offset) -> KafkaResult<Offsets> {
        offsets(&*self.core.client, &self.core.settings.topic(), &self.partitions(), at)
    }
}

impl Core {
    async fn run(self: Arc<Self>) {
        loop {
            let outcome = self.look().await;
            self.note(outcome);
            let _waited = tokio::time::timeout(INTERVAL, self.nudge.notified()).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether the topic is there. Where it is not it is made.
    async fn look(self: &Arc<Self>) -> KafkaResult<bool> {
        let core = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || core.look_now()).await;
        match looked.unwrap_or(Err(KafkaError::Canceled))? {
            Some(ends) => {
                let mut seen = self.seen();
                seen.ends = Arc::new(ends);
                seen.looks += 1;
                Ok(true)
            }
            None => topic::make(&self.settings).await.map(|()| false),
        }
    }

    /// Where the partitions end; `None` without the topic, or while it has no leaders.
    fn look_now(&self) -> KafkaResult<Option<Offsets>> {
        while self.client.poll(Duration::ZERO).is_some() {}
        let name = self.settings.topic();
        let metadata =
            self.client.fetch_metadata(Some(&name), TIMEOUT).map_err(|error| explain(&self.client, error))?;
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Ok(None) };
        if let Some(error) = topic.error() {
            let code = RDKafkaErrorCode::from(error);
            return if is_missing(code) { Ok(None) } else { Err(KafkaError::MetadataFetch(code)) };
        }
        let partitions: Vec<i32> = topic.partitions().iter().map(|partition| partition.id()).collect();
        if partitions.is_empty() {
            return Ok(None);
        }
        match offsets(&*self.client, &name, &partitions, Offset::End) {
            Err(KafkaError::OffsetFetch(code)) if is_missing(code) => Ok(None),
            ends => ends.map(Some),
        }
    }

    fn note(&self, outcome: KafkaResult<bool>) {
        let reason = match outcome {
            Ok(true) => None,
            Ok(false) => Some("the topic is being made".to_owned()),
            Err(error) => Some(format!("Kafka does not answer as it should: {error}")),
        };
        let mut seen = self.seen();
        if seen.failing.is_some() != reason.is_some() {
            seen.since = Instant::now();
            match &reason {
                Some(reason) => tracing::warn!(reason, "Kafka fails; trying again until it works"),
                None => tracing::info!("Kafka works again"),
            }
        }
        seen.failing = reason;
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a connection that came to nothing for its user or its certificate the driver says so beside, and to who asks only that there is none.
pub(super) fn explain(client: &BaseConsumer<LogContext>, error: KafkaError) -> KafkaError {
    const EVENTS: usize = 32;
    let mut told = std::iter::repeat_with(|| client.poll(Duration::ZERO)).take(EVENTS).flatten();
    told.find_map(|told| told.err().filter(|told| is_refusal(told) || is_distrust(told))).unwrap_or(error)
}

/// The offset of partitions at their beginning or end, in one request to each broker. Blocks.
pub(super) fn offsets<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    at: Offset,
) -> KafkaResult<Offsets> {
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        // As a time: Kafka has the beginning and the end as special times.
        asked.add_partition_offset(topic, *partition, at)?;
    }
    let answer = client.offsets_for_times(asked, TIMEOUT)?;
    let mut offsets = Offsets::new();
    for element in answer.elements() {
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            offsets.insert(element.partition(), offset);
        }
    }
    match offsets.len() == partitions.len() {
        true => Ok(offsets),
        false => Err(KafkaError::OffsetFetch(RDKafkaErrorCode::LeaderNotAvailable)),
    }
}
