use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::ports::Queries,
    backpressure::PressureGauge,
    delivery::ConsumerStatus,
    ports::{Broker, BrokerHealth, Replay, Replays},
    relay::RelayHealth,
};
use activelog_interfaces::http::{ComponentHealth, ComponentStatus, HealthSource};
use async_trait::async_trait;
use tokio::{sync::watch, time::timeout};

use super::{
    broker_watch::Seen,
    messaging::{Connected, Messaging},
    roles::Role,
};

/// How long the database may take to answer. Less than `/health` waits for all components, so that one that is silent does not
/// hide the others.
const DATABASE_ANSWERS_WITHIN: Duration = Duration::from_millis(1_500);

/// How the parts of this process are doing; parts it does not run are not there.
#[derive(Clone)]
pub(super) struct ProcessHealth {
    pub(super) role: Role,
    pub(super) queries: Arc<dyn Queries>,
    pub(super) replays: Arc<dyn Replays>,
    pub(super) messaging: watch::Receiver<Messaging>,
    pub(super) pressure: Option<PressureGauge>,
}

#[async_trait]
impl HealthSource for ProcessHealth {
    async fn components(&self) -> Vec<ComponentHealth> {
        // The only one that is asked: the others say what they know already.
        let asked = timeout(DATABASE_ANSWERS_WITHIN, async {
            self.queries.ping().await?;
            self.replays.list().await
        });
        let (database, replays) = match asked.await {
            Ok(Ok(replays)) => (ComponentStatus::Up, replays),
            Ok(Err(error)) => (ComponentStatus::Down(error.to_string()), Vec::new()),
            Err(_) => (ComponentStatus::Down("does not answer".into()), Vec::new()),
        };
        let mut components = vec![ComponentHealth::new("database", database)];
        if !replays.is_empty() {
            let status = ComponentStatus::Degraded(replays.iter().map(begun).collect::<Vec<_>>().join("; "));
            components.push(ComponentHealth::new("replays", status));
        }
        let messaging = self.messaging.borrow().clone();
        match messaging {
            Messaging::None => {}
            Messaging::Away(reason) => components.extend(away(self.role, reason)),
            Messaging::Connected(connected) => components.extend(connected.components()),
        }
        if let Some(gauge) = &self.pressure {
            let pressures: Vec<String> = gauge.pressures().iter().map(ToString::to_string).collect();
            let status = match pressures.is_empty() {
                true => ComponentStatus::Up,
                // Reads are answered all the same.
                false => ComponentStatus::Degraded(format!("writes are refused: {}", pressures.join("; "))),
            };
            components.push(ComponentHealth::new("backpressure", status));
        }
        components
    }
}

/// What to say until the broker has been connected for the first time. Requests can be taken meanwhile; a process that takes none is of no use yet.
fn away(role: Role, reason: String) -> Vec<ComponentHealth> {
    let status = if role.has_api() { ComponentStatus::Degraded(reason) } else { ComponentStatus::Down(reason) };
    let parts = [("relay", role.has_relay()), ("worker", role.has_worker())];
    let waits = || ComponentStatus::Degraded("waits for the broker".into());
    let parts = parts.into_iter().filter(|(_, runs)| *runs).map(|(name, _)| ComponentHealth::new(name, waits()));
    std::iter::once(ComponentHealth::new("broker", status)).chain(parts).collect()
}

impl Connected {
    fn components(&self) -> Vec<ComponentHealth> {
        let seen = self.watch.seen();
        let (takes, withholds) = (seen.takes_events(), seen.withholds_events());
        let Seen { facts, silent, .. } = seen;
        let status = match (broker_status(&self.broker), silent) {
            (ComponentStatus::Up, Some(reason)) => ComponentStatus::Degraded(reason),
            (status, _) => status,
        };
        let mut components = vec![ComponentHealth::new("broker", status).server(facts)];
        if let Some(worker) = &self.worker {
            let status = match self.broker.subscriber.health() {
                // What it needs to subscribe may be refused although the broker answers.
                BrokerHealth::Up if *worker.borrow() == ConsumerStatus::Starting && takes => {
                    ComponentStatus::Down("not yet subscribed: the log says why".into())
                }
                health => subscription_status(health, withholds),
            };
            components.push(ComponentHealth::new("subscription", status));
        }
        if let Some(relay) = &self.relay {
            let status = match &*relay.borrow() {
                RelayHealth::Running { .. } => ComponentStatus::Up,
                RelayHealth::Starting => ComponentStatus::Degraded("starting".into()),
                // Events wait in the outbox meanwhile: requests can be taken.
                RelayHealth::Waiting(reason) => ComponentStatus::Degraded(reason.clone()),
                RelayHealth::Stopped => ComponentStatus::Down("stopped".into()),
            };
            components.push(ComponentHealth::new("relay", status));
        }
        if let Some(consumer) = &self.worker {
            let status = match *consumer.borrow() {
                ConsumerStatus::Running => ComponentStatus::Up,
                ConsumerStatus::Starting => ComponentStatus::Degraded("not yet subscribed".into()),
                ConsumerStatus::Draining | ConsumerStatus::Stopped => ComponentStatus::Down("stopped".into()),
            };
            components.push(ComponentHealth::new("worker", status));
        }
        components
    }
}

/// What to know of a replay that has not ended.
fn begun(replay: &Replay) -> String {
    let Replay { handler, began_at, .. } = replay;
    format!("the replay of {handler} that began at {began_at} has not ended: until then its events wait")
}

/// Whether events come. A broker that is away is told of as such, and requests are taken meanwhile; one that takes events and gives none is a process that does not
/// do its work.
fn subscription_status(health: BrokerHealth, withholds: bool) -> ComponentStatus {
    match health {
        BrokerHealth::Up => ComponentStatus::Up,
        BrokerHealth::Closed => ComponentStatus::Down("closed".into()),
        BrokerHealth::Degraded(reason) if withholds => ComponentStatus::Down(reason),
        BrokerHealth::Degraded(reason) => ComponentStatus::Degraded(reason),
    }
}

/// The worse of a broker's two ends.
fn broker_status(broker: &Broker) -> ComponentStatus {
    match (broker.publisher.health(), broker.subscriber.health()) {
        (BrokerHealth::Closed, _) | (_, BrokerHealth::Closed) => ComponentStatus::Down("closed".into()),
        (BrokerHealth::Degraded(reason), _) | (_, BrokerHealth::Degraded(reason)) => ComponentStatus::Degraded(reason),
        (BrokerHealth::Up, BrokerHealth::Up) => ComponentStatus::Up,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use activelog_application::{
        activity::ports::{ActivityFilter, KeysetPage},
        ports::StorageError,
        testing::MemoryRepositories,
    };
    use activelog_domain::{
        achievement::Earned,
        activity::Activity,
        leaderboard::{Board, Standing},
        notification::Notification,
        statistics::{Figures, Period, PeriodStatistics},
        user::UserId,
    };
    use activelog_infrastructure::broker::memory::MemoryBroker;
    use activelog_interfaces::http::HttpOptions;
    use uuid::Uuid;

    use super::*;
    use crate::bootstrap::broker_watch::BrokerWatch;

    /// A database that is away without the connection being refused.
    struct Silent;

    #[async_trait]
    impl Queries for Silent {
        async fn activity(&self, _: Uuid) -> Result<Option<Activity>, StorageError> {
            pending().await
        }
        async fn activities(&self, _: &ActivityFilter, _: KeysetPage) -> Result<Vec<Activity>, StorageError> {
            pending().await
        }
        async fn totals(&self, _: UserId) -> Result<Option<Figures>, StorageError> {
            pending().await
        }
        async fn periods(&self, _: UserId, _: Option<Period>, _: u32) -> Result<Vec<PeriodStatistics>, StorageError> {
            pending().await
        }
        async fn notifications(&self, _: UserId, _: KeysetPage) -> Result<Vec<Notification>, StorageError> {
            pending().await
        }
        async fn achievements(&self, _: UserId) -> Result<Vec<Earned>, StorageError> {
            pending().await
        }
        async fn leaderboard(&self, _: &Board, _: u64, _: u32) -> Result<Vec<Standing>, StorageError> {
            pending().await
        }
        async fn ping(&self) -> Result<(), StorageError> {
            pending().await
        }
    }

    /// The health of a process that has a database and nothing else.
    fn only(queries: Arc<dyn Queries>, store: &MemoryRepositories) -> ProcessHealth {
        let replays = Arc::new(store.failures());
        let messaging = watch::channel(Messaging::None).1;
        ProcessHealth { role: Role::Api, queries, replays, messaging, pressure: None }
    }

    #[tokio::test]
    async fn a_silent_database_does_not_hide_the_other_components() {
        let messaging = watch::channel(Messaging::Away("the broker is away".into())).1;
        let health = ProcessHealth { messaging, ..only(Arc::new(Silent), &MemoryRepositories::new()) };
        let asked = timeout(HttpOptions::default().health_timeout, health.components()).await;
        let database = ComponentHealth::new("database", ComponentStatus::Down("does not answer".into()));
        let broker = ComponentHealth::new("broker", ComponentStatus::Degraded("the broker is away".into()));
        assert_eq!(asked.ok(), Some(vec![database, broker]));
    }

    #[tokio::test]
    async fn a_relay_that_waits_is_degraded() {
        let (_running, relay) = watch::channel(RelayHealth::Waiting("the database is away".into()));
        let broker = MemoryBroker::default().broker();
        let watch = BrokerWatch::start(&broker, "group");
        let connected = Connected { broker, watch, relay: Some(relay), worker: None };
        let relay = ComponentHealth::new("relay", ComponentStatus::Degraded("the database is away".into()));
        assert!(connected.components().contains(&relay));
    }

    #[tokio::test]
    async fn a_replay_is_told_of_until_it_ends() {
        let store = MemoryRepositories::new();
        let (health, replays) = (only(Arc::new(store.clone()), &store), store.failures());
        let up = vec![ComponentHealth::new("database", ComponentStatus::Up)];
        assert_eq!(health.components().await, up);
        replays.begin("leaderboard", None, None).await.expect("a replay");
        let told = health.components().await.pop().expect("components");
        assert_eq!(told.name, "replays");
        let ComponentStatus::Degraded(reason) = told.status else { panic!("not degraded: {:?}", told.status) };
        assert!(reason.starts_with("the replay of leaderboard that began at "), "{reason}");
        replays.end("leaderboard").await.expect("an end");
        assert_eq!(health.components().await, up);
    }
}
