//! What all processes of a run share: the storage, the broker, and the laws of nature.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use activelog_application::{
    delivery::FailurePolicy,
    ports::{AfterDeadLetter, Clock, IdGenerator},
    testing::{FakeStorage, SequentialIds, TokioClock, memory_storage::MemoryStorage},
};
use tokio::time::Instant;

use crate::{
    broker::Broker,
    chance::Chance,
    handler::{Plan, Plans},
    ledger::{Address, Ledger},
    run::Defect,
    trace::Trace,
};

pub(crate) struct World {
    /// Inbox, parking, dead letters and crash marks, in transactions.
    pub(crate) storage: Arc<FakeStorage>,
    /// The outbox that is relayed, the journal, and the relays' leases.
    pub(crate) outbox: MemoryStorage,
    pub(crate) broker: Arc<Broker>,
    pub(crate) ledger: Ledger,
    pub(crate) chance: Arc<Chance>,
    pub(crate) trace: Trace,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdGenerator>,
    pub(crate) policy: FailurePolicy,
    pub(crate) defect: Defect,
    plans: Mutex<Plans>,
    /// Whether some handlers end the process.
    pub(crate) abort: bool,
    /// Until when storage and broker are away.
    away: Mutex<Option<Instant>>,
    crashes: AtomicU32,
    freezes: AtomicUsize,
}

/// Short times, so that a run is short.
fn policy(chance: &Chance, kills: u32) -> FailurePolicy {
    let after_dead_letter = if chance.below(2) == 0 { AfterDeadLetter::Hold } else { AfterDeadLetter::Continue };
    FailurePolicy {
        quick_attempts: 2,
        quick_pause: Duration::from_millis(10),
        attempts: 6,
        first_backoff: Duration::from_millis(50),
        longest_backoff: Duration::from_millis(400),
        // As many as come of the kills from outside, and three more: each of those can leave a mark of an innocent event.
        crashes: kills + 3,
        after_dead_letter,
        time_limit: Duration::from_secs(1),
    }
}

impl World {
    /// An empty one, in which workers will be killed at most `kills` times.
    pub(crate) fn new(seed: u64, defect: Defect, kept: bool, kills: u32) -> Arc<Self> {
        let chance = Arc::new(Chance::new(seed));
        Arc::new(Self {
            storage: FakeStorage::new(),
            outbox: MemoryStorage::new(),
            broker: Broker::new(chance.clone(), defect == Defect::AckFirst),
            ledger: Ledger::default(),
            trace: Trace::new(kept),
            clock: Arc::new(TokioClock::default()),
            ids: Arc::new(SequentialIds::default()),
            policy: policy(&chance, kills),
            defect,
            plans: Mutex::default(),
            abort: chance.below(8) == 0,
            away: Mutex::default(),
            crashes: AtomicU32::new(0),
            freezes: AtomicUsize::new(0),
            chance,
        })
    }

    /// Storage and broker are away for so long.
    pub(crate) fn go_away(&self, time: Duration) {
        *self.away.lock().expect("not poisoned") = Some(Instant::now() + time);
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away.lock().expect("not poisoned").is_some_and(|until| until > Instant::now())
    }

    /// A process was frozen.
    pub(crate) fn froze(&self) {
        self.freezes.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn freezes(&self) -> usize {
        self.freezes.load(Ordering::Acquire)
    }

    /// A process ended itself.
    pub(crate) fn crashed(&self) {
        self.crashes.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn crashes(&self) -> u32 {
        self.crashes.load(Ordering::Acquire)
    }

    /// The plan by which a handler takes an event.
    pub(crate) fn with_plan<T>(&self, address: &Address, work: impl FnOnce(&mut Plan) -> T) -> T {
        let mut plans = self.plans.lock().expect("not poisoned");
        work(plans.entry(address.clone()).or_insert_with(|| Plan::by(&self.chance, self.abort)))
    }

    /// Every plan that was asked for.
    pub(crate) fn plans(&self) -> BTreeMap<Address, Plan> {
        self.plans.lock().expect("not poisoned").clone()
    }
}
