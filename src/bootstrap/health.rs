use std::sync::Arc;

use activelog_application::{
    activity::ports::Queries,
    delivery::{ConsumerStatus, RetryLayer},
    ports::{Broker, BrokerHealth},
    relay::RelayHealth,
};
use activelog_interfaces::http::{ComponentHealth, ComponentStatus, HealthSource};
use async_trait::async_trait;
use tokio::sync::watch;

/// How the parts of this process are doing; parts it does not run are not there.
#[derive(Clone)]
pub(super) struct ProcessHealth {
    pub(super) queries: Arc<dyn Queries>,
    pub(super) broker: Option<Broker>,
    pub(super) relay: Option<watch::Receiver<RelayHealth>>,
    pub(super) worker: Option<(watch::Receiver<ConsumerStatus>, RetryLayer)>,
}

#[async_trait]
impl HealthSource for ProcessHealth {
    async fn components(&self) -> Vec<ComponentHealth> {
        let database = match self.queries.ping().await {
            Ok(()) => ComponentStatus::Up,
            Err(error) => ComponentStatus::Down(error.to_string()),
        };
        let mut components = vec![ComponentHealth::new("database", database)];
        if let Some(broker) = &self.broker {
            components.push(ComponentHealth::new("broker", broker_status(broker)));
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
        if let Some((consumer, retries)) = &self.worker {
            let status = match (*consumer.borrow(), retries.held()) {
                (ConsumerStatus::Running, 0) => ComponentStatus::Up,
                (ConsumerStatus::Running, held) => {
                    ComponentStatus::Degraded(format!("{held} events fail and hold their aggregates"))
                }
                (ConsumerStatus::Starting, _) => ComponentStatus::Degraded("not yet subscribed".into()),
                (ConsumerStatus::Draining | ConsumerStatus::Stopped, _) => ComponentStatus::Down("stopped".into()),
            };
            components.push(ComponentHealth::new("worker", status));
        }
        components
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
