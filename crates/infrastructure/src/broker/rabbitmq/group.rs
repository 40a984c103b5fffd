use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use activelog_application::ports::{EventPattern, IdGenerator, SettleError, SubscribeError, Subscription};
use tokio::{sync::OnceCell, task::JoinHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{driver::Driver, link::Link, shared::Shared, topology::Topology};
use crate::broker::keyed_queue::Holder;

/// How long closing waits for what has been settled to reach the server.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(8);

/// The groups that streams of this process belong to.
pub(super) struct Groups {
    pub(super) link: Link,
    /// For what members tell each other.
    pub(super) members: Link,
    pub(super) topology: Topology,
    ids: Arc<dyn IdGenerator>,
    known: Mutex<HashMap<Key, Arc<Group>>>,
    stop: CancellationToken,
    drivers: TaskTracker,
}

/// Streams that want different events of a group do not share what is consumed for one of them.
type Key = (String, Vec<EventPattern>);

/// One member of a consumer group: all the streams of it in this process.
pub(super) struct Group {
    key: Key,
    pub(super) shared: Arc<Shared>,
    /// How others of the group are known here.
    pub(super) driver: Arc<Driver>,
    /// Its queues are there, and its driver runs.
    begun: OnceCell<()>,
    running: Mutex<Option<JoinHandle<()>>>,
    /// How many streams there are, or are about to be. Only changed with the groups locked.
    streams: Mutex<usize>,
}

/// A stream's place in its group. Dropping it leaves without waiting.
pub(super) struct Membership {
    groups: Arc<Groups>,
    group: Arc<Group>,
    holder: Holder,
    left: bool,
}

impl Groups {
    pub(super) fn new(link: Link, members: Link, topology: Topology, ids: Arc<dyn IdGenerator>) -> Self {
        let (stop, drivers) = (CancellationToken::new(), TaskTracker::new());
        Self { link, members, topology, ids, known: Mutex::default(), stop, drivers }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Group>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Adds a stream to its group; its queues are there then.
    pub(super) async fn join(self: &Arc<Self>, subscription: &Subscription) -> Result<Membership, SubscribeError> {
        // Held until the driver runs, so that `close` cannot overlook it.
        let _joining = self.drivers.token();
        if self.is_closed() {
            return Err(SubscribeError::Closed);
        }
        let group = self.find(subscription);
        let holder = group.shared.join();
        // Leaves again when what follows fails.
        let membership = Membership { groups: Arc::clone(self), group: Arc::clone(&group), holder, left: false };
        let begin = async || {
            self.topology.declare_group(&self.link, &subscription.group).await.map_err(SubscribeError::Unavailable)?;
            let driver = self.drivers.spawn(Arc::clone(&group.driver).run());
            *group.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(driver);
            Ok::<(), SubscribeError>(())
        };
        group.begun.get_or_try_init(begin).await?;
        Ok(membership)
    }

    fn find(&self, subscription: &Subscription) -> Arc<Group> {
        let key = (subscription.group.clone(), subscription.patterns.clone());
        let mut known = self.lock();
        let group = known.entry(key.clone()).or_insert_with(|| Arc::new(self.make(key)));
        *group.streams.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Arc::clone(group)
    }

    fn make(&self, key: Key) -> Group {
        let shared = Arc::new(Shared::new(key.1.clone()));
        let driver = Driver::new(
            self.link.clone(),
            self.members.clone(),
            self.topology.clone(),
            Arc::clone(&shared),
            key.0.clone(),
            self.ids.next_id().to_string(),
            self.stop.child_token(),
        );
        let (begun, running, streams) = (OnceCell::new(), Mutex::default(), Mutex::default());
        Group { key, shared, driver: Arc::new(driver), begun, running, streams }
    }

    /// A stream has left its group. Whether it was the last: then the group ends here.
    fn left(&self, group: &Arc<Group>) -> bool {
        let mut known = self.lock();
        let mut streams = group.streams.lock().unwrap_or_else(PoisonError::into_inner);
        *streams = streams.saturating_sub(1);
        if *streams > 0 {
            return false;
        }
        if known.get(&group.key).is_some_and(|one| Arc::ptr_eq(one, group)) {
            known.remove(&group.key);
        }
        group.driver.stop();
        true
    }

    /// A member of the group that is here.
    pub(super) fn named(&self, name: &str) -> Option<Arc<Group>> {
        self.lock().values().find(|group| group.key.0 == name).cloned()
    }

    /// Ends every group.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        for group in self.lock().values() {
            group.shared.shut();
        }
        self.drivers.close();
        if timeout(CLOSE_TIMEOUT, self.drivers.wait()).await.is_err() {
            tracing::warn!("RabbitMQ has not answered while groups were closed: what was settled last may come again");
        }
    }
}

impl Membership {
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.group.shared
    }

    pub(super) fn holder(&self) -> Holder {
        self.holder
    }

    /// Gives back what the stream has not settled, and waits until the server knows of what it has.
    pub(super) async fn leave(mut self) -> Result<(), SettleError> {
        let last = self.go();
        let flushed = async {
            let running = match last {
                true => self.group.running.lock().unwrap_or_else(PoisonError::into_inner).take(),
                false => None,
            };
            match running {
                Some(running) => drop(running.await),
                None => self.group.shared.flushed().await,
            }
        };
        timeout(CLOSE_TIMEOUT, flushed).await.map_err(|late| SettleError(Box::new(late)))
    }

    fn go(&mut self) -> bool {
        if std::mem::replace(&mut self.left, true) {
            return false;
        }
        self.group.shared.leave(self.holder);
        self.groups.left(&self.group)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.go();
    }
}
