use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use activelog_application::ports::{Lag, StartFrom};
use rdkafka::{
    Message, Offset, Timestamp, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode as Code,
};

use super::{
    config::Settings,
    context::LogContext,
    error::is_settling,
    monitor::{Monitor, Offsets},
    off_thread::OffThread,
};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a group's coordinator may be missing: it moves, and begins when there is the first group.
const COORDINATOR: Duration = Duration::from_secs(8);

/// The pause before it is asked for again.
const PAUSE: Duration = Duration::from_millis(50);

/// How long the first events that a group has not taken are looked for.
const LOOK: Duration = Duration::from_millis(500);

type View = OffThread<BaseConsumer<LogContext>>;

/// Looks at groups, and lets them begin, without being a member.
pub(super) struct Groups {
    settings: Settings,
    monitor: Monitor,
    views: Mutex<HashMap<String, Arc<Mutex<View>>>>,
}

impl Groups {
    pub(super) fn new(settings: Settings, monitor: Monitor) -> Self {
        Self { settings, monitor, views: Mutex::default() }
    }

    /// Writes down where a group begins, unless it has begun. Blocks.
    pub(super) fn begin(&self, group: &str, start: StartFrom) -> KafkaResult<()> {
        // Looked up first: if another stream begins the group meanwhile, what it has promised since is after this.
        let at = match start {
            StartFrom::Earliest => Offset::Beginning,
            StartFrom::Latest => Offset::End,
        };
        let starts = self.monitor.offsets(at)?;
        self.with_view(group, |view| {
            if !committed(view, &self.settings.topic(), &starts)?.is_empty() {
                return Ok(());
            }
            let mut list = TopicPartitionList::with_capacity(starts.len());
            for (partition, offset) in &starts {
                list.add_partition_offset(&self.settings.topic(), *partition, Offset::Offset(*offset))?;
            }
            match view.commit(&list, CommitMode::Sync) {
                // It has members by now, who have begun it.
                Err(KafkaError::ConsumerCommit(
                    Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress,
                )) => Ok(()),
                written => written,
            }
        })
    }

    /// How far a group is behind. Blocks.
    pub(super) fn lag(&self, group: &str) -> KafkaResult<Lag> {
        let topic = self.settings.topic();
        self.with_view(group, |view| {
            let begins = self.monitor.offsets(Offset::Beginning)?;
            // Positions before the ends: a group must not seem to be ahead.
            let positions = committed(view, &topic, &begins)?;
            let ends = self.monitor.offsets(Offset::End)?;
            let behind = ends.iter().filter_map(|(partition, end)| {
                let begin = begins.get(partition).copied().unwrap_or(0);
                let position = positions.get(partition).copied().unwrap_or(begin).max(begin);
                (position < *end).then_some((*partition, position, u64::try_from(end - position).unwrap_or(0)))
            });
            let behind: Vec<_> = behind.collect();
            let firsts: Offsets = behind.iter().map(|(partition, position, _)| (*partition, *position)).collect();
            let age = if firsts.is_empty() { None } else { age(view, &topic, &firsts)? };
            Ok(Lag { events: behind.iter().map(|(_, _, events)| events).sum(), age })
        })
    }

    fn with_view<T>(&self, group: &str, act: impl Fn(&View) -> KafkaResult<T>) -> KafkaResult<T> {
        let known = self.views.lock().unwrap_or_else(PoisonError::into_inner).get(group).cloned();
        let view = match known {
            Some(view) => view,
            None => {
                let made = BaseConsumer::from_config_and_context(&self.settings.group_view(group), LogContext)?;
                let made = Arc::new(Mutex::new(OffThread::new(made)));
                let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(views.entry(group.to_owned()).or_insert(made))
            }
        };
        // One at a time: looking for the age assigns partitions.
        let view = view.lock().unwrap_or_else(PoisonError::into_inner);
        while view.poll(Duration::ZERO).is_some() {}
        let deadline = Instant::now() + COORDINATOR;
        loop {
            match act(&view) {
                Err(error) if (is_moving(&error) || is_settling(&error)) && Instant::now() < deadline => {
                    std::thread::park_timeout(PAUSE)
                }
                outcome => return outcome,
            }
        }
    }

    /// Lets go of the client that looks at a group.
    pub(super) fn forget(&self, group: &str) {
        let view = self.views.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
        drop(view);
    }

    /// Lets go of its clients.
    pub(super) fn close(&self) {
        let views = std::mem::take(&mut *self.views.lock().unwrap_or_else(PoisonError::into_inner));
        drop(views);
    }
}

/// Whether the group's coordinator is not there at the moment.
fn is_moving(error: &KafkaError) -> bool {
    let moving = [Code::NotCoordinator, Code::CoordinatorNotAvailable, Code::CoordinatorLoadInProgress];
    error.rdkafka_error_code().is_some_and(|code| moving.contains(&code) || code == Code::WaitingForCoordinator)
}

/// Where a group stands in the partitions, as far as it does.
fn committed(view: &View, topic: &str, partitions: &Offsets) -> KafkaResult<Offsets> {
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions.keys() {
        asked.add_partition(topic, *partition);
    }
    let mut positions = Offsets::new();
    for element in view.committed_offsets(asked, TIMEOUT)?.elements() {
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            positions.insert(element.partition(), offset);
        }
    }
    Ok(positions)
}

/// How old the oldest of these events is, by this machine's clock, which stamps what is published here.
fn age(view: &View, topic: &str, firsts: &Offsets) -> KafkaResult<Option<Duration>> {
    let mut list = TopicPartitionList::with_capacity(firsts.len());
    for (partition, offset) in firsts {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    view.assign(&list)?;
    let (deadline, mut stamps) = (Instant::now() + LOOK, HashMap::new());
    while stamps.len() < firsts.len() && Instant::now() < deadline {
        if let Some(Ok(message)) = view.poll(Duration::from_millis(20)) {
            stamps.entry(message.partition()).or_insert(message.timestamp().to_millis());
        }
    }
    view.unassign()?;
    let oldest = stamps.into_values().flatten().min();
    let age = oldest.zip(Timestamp::now().to_millis()).map(|(oldest, now)| now.saturating_sub(oldest));
    Ok(age.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))))
}
