use std::time::Duration;

use activelog_application::{
    activity::handlers,
    delivery::{
        Blocked, ConcurrencyLayer, Consumer, ConsumerStatus, CrashGuard, FailureMachine, ParkFirstLayer, Retrier,
        Router, SpanLayer, Watchdog,
    },
    ports::{Broker, Subscription},
    relay::{Relay, RelayHealth, RelayTarget},
};
use activelog_infrastructure::broker::ConnectError;
use activelog_interfaces::worker::Worker;
use anyhow::Context;
use tokio::{sync::watch, task::JoinSet};

use super::{Application, Lifecycle, broker_watch::BrokerWatch, journal_group, options, roles::Role, webhooks};
use crate::config::Config;

/// How long the start waits for the broker: more than a driver waits for an answer.
const FIRST: Duration = Duration::from_secs(6);

/// The longest pause before a broker that was away at the start is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What a process has to do with its broker.
#[derive(Clone)]
pub(super) enum Messaging {
    /// Nothing.
    None,
    /// It could not be connected yet, for this reason.
    Away(String),
    /// It is connected. Its connections come back by themselves from now on.
    Connected(Connected),
}

/// A broker, and what runs on it.
#[derive(Clone)]
pub(super) struct Connected {
    pub(super) broker: Broker,
    pub(super) watch: BrokerWatch,
    pub(super) relay: Option<watch::Receiver<RelayHealth>>,
    pub(super) worker: Option<watch::Receiver<ConsumerStatus>>,
}

/// What the relay and the worker of a role are made of.
pub(super) struct Maker<'a> {
    pub(super) role: Role,
    pub(super) config: &'a Config,
    pub(super) application: &'a Application,
    pub(super) lifecycle: &'a Lifecycle,
}

impl Maker<'_> {
    /// Connects the broker, or says why it is away: nobody answers, or not soon enough to let the API wait.
    ///
    /// # Errors
    /// When it refuses, keeps too little, or does not fit the role or the database.
    pub(super) async fn connect(&self) -> anyhow::Result<Result<Broker, String>> {
        let tried = tokio::time::timeout(FIRST, self.connect_once());
        let error = match self.lifecycle.stop.run_until_cancelled(tried).await {
            None => return Ok(Err("stopping".to_owned())),
            Some(Err(_)) => {
                let url = &self.config.broker.url;
                return Ok(Err(format!("broker {url} cannot be reached: no answer within {} s", FIRST.as_secs())));
            }
            Some(Ok(Ok(broker))) => return Ok(Ok(broker)),
            Some(Ok(Err(error))) => error,
        };
        match error.downcast_ref() {
            Some(ConnectError::Away { .. }) => Ok(Err(error.to_string())),
            _ => Err(error),
        }
    }

    /// Waits for the broker, if it was away, and runs what works on it until that has stopped.
    ///
    /// # Errors
    /// When a part cannot go on. The others are told to stop.
    pub(super) async fn run(self, first: Result<Broker, String>, tell: watch::Sender<Messaging>) -> anyhow::Result<()> {
        let outcome = self.run_parts(first, &tell).await;
        self.lifecycle.stop.cancel();
        outcome
    }

    async fn run_parts(&self, first: Result<Broker, String>, tell: &watch::Sender<Messaging>) -> anyhow::Result<()> {
        // Before the broker is waited for: without its database a process does not start, and one that runs goes on.
        let worker = if self.role.has_worker() { Some(self.worker().await?) } else { None };
        let broker = match first {
            Ok(broker) => broker,
            Err(away) => match self.wait(away, tell).await {
                Some(broker) => broker,
                None => return Ok(()),
            },
        };
        let relay = self.role.has_relay().then(|| self.relay(&broker));
        let worker = worker.map(|worker| worker(&broker));
        tell.send_replace(Messaging::Connected(Connected {
            watch: BrokerWatch::start(&broker, &self.config.worker.group),
            relay: relay.as_ref().map(Relay::health),
            worker: worker.as_ref().map(Worker::status),
            broker,
        }));
        let mut parts = JoinSet::new();
        if let Some(relay) = relay {
            let stop = self.lifecycle.stop.clone();
            parts.spawn(async move {
                relay.run(&stop).await;
                anyhow::Ok(())
            });
        }
        if let Some(worker) = worker {
            let Lifecycle { stop, hard_stop } = self.lifecycle.clone();
            parts.spawn(async move { worker.run(&stop, &hard_stop).await.context("the worker cannot go on") });
        }
        self.lifecycle.finish(parts).await
    }

    /// Tries to connect until it works, for ever; `None` when the process stops meanwhile. A supervisor that starts a process again and again pauses for minutes at last.
    ///
    /// Whatever is wrong now, it may be mended while the API takes requests: nothing that the broker says ends the process any more.
    async fn wait(&self, mut away: String, tell: &watch::Sender<Messaging>) -> Option<Broker> {
        let mut told = String::new();
        loop {
            if told != away {
                tracing::warn!(
                    reason = away,
                    advice = "`activelog doctor` says what to look at",
                    "events wait in the outbox, and nothing is lost; it is tried until it works"
                );
                told.clone_from(&away);
            }
            tell.send_replace(Messaging::Away(away));
            let tried = async {
                tokio::time::sleep(RETRY.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                self.connect_once().await
            };
            match self.lifecycle.stop.run_until_cancelled(tried).await? {
                Ok(broker) => {
                    tracing::info!(broker = broker.name, "connected the broker");
                    return Some(broker);
                }
                Err(error) => away = error.to_string(),
            }
        }
    }

    /// A broker that lives within one process is of no use to a relay or a worker alone: what one publishes the other never sees.
    async fn connect_once(&self) -> anyhow::Result<Broker> {
        let broker = self.application.broker(self.config).await?;
        anyhow::ensure!(
            self.role == Role::Serve || broker.capabilities.spans_processes,
            "the {} broker lives within one process and cannot connect roles that run apart: \
             run `activelog serve`, or choose another broker, such as --broker-url database:",
            broker.name
        );
        if broker.capabilities.delivers_from_journal {
            journal_group::ensure_begun(&self.config.worker.group, &self.application.storage).await?;
        }
        Ok(broker)
    }

    fn relay(&self, broker: &Broker) -> Relay {
        let application = self.application;
        let target = if broker.capabilities.delivers_from_journal {
            RelayTarget::Journal
        } else {
            RelayTarget::Broker(broker.publisher.clone())
        };
        Relay::new(
            application.storage.outbox.clone(),
            application.storage.leases.clone(),
            target,
            application.storage.outbox_signal.clone(),
            application.ids.next_id(),
            options::relay(&self.config.relay),
        )
    }

    /// The worker, but for its broker.
    async fn worker(&self) -> anyhow::Result<impl FnOnce(&Broker) -> Worker> {
        let Self { config, application, lifecycle, .. } = *self;
        let (worker, storage) = (&config.worker, &application.storage);
        // Whatever was under way when an earlier run was cut short is among as many events as one run takes at once.
        let window = u64::from(worker.prefetch);
        let guard =
            CrashGuard::begin(storage.crash_marks.clone(), &worker.group, application.ids.next_id(), window).await?;
        let (parking, clock) = (storage.parking.clone(), application.clock.clone());
        let machine = FailureMachine::new(parking, clock, &worker.group, lifecycle.stop.clone());
        let watchdog = watchdog().context("the system gives no thread to watch handlers from")?;
        let router = || {
            let router = Router::new(application.orchestrator.clone()).watchdog(watchdog.clone());
            router.policies(options::failure_policies(worker))
        };
        let concurrency = ConcurrencyLayer::new(options::concurrency(worker, &config.storage), lifecycle.stop.clone());
        let bounded = || router().layer(SpanLayer).layer(concurrency.clone()).layer(guard.layer());
        let registered = handlers::register(bounded());
        #[cfg(feature = "fault-injection")]
        let registered = crate::fault_injection::register(registered);
        let mut routes = registered.build()?;
        if config.webhooks.enabled {
            routes = routes.and(&webhooks::fan_out(storage, bounded())?)?;
        }
        let mut consumed = routes.within(&machine.layer());
        let mut retriers = vec![Retrier::new(machine.clone(), routes, options::retrier(worker))];
        if config.webhooks.enabled {
            // Without the bound on attempts: receivers decide how long one takes, and its retrier has a bound of its own.
            let unbounded = router().layer(SpanLayer).layer(guard.layer_apart());
            let deliveries = webhooks::deliveries(&config.webhooks, application, unbounded)?;
            consumed = consumed.and(&deliveries.within(&ParkFirstLayer).within(&machine.layer()))?;
            retriers.push(Retrier::new(machine, deliveries, options::webhook_retrier(&config.webhooks, worker)));
        }
        let subscription = Subscription::new(worker.group.clone(), consumed.patterns())
            .prefetch(worker.prefetch as usize)
            .instance(worker.instance.clone());
        let consumer = Consumer::new(consumed, options::consumer(worker));
        Ok(move |broker: &Broker| Worker::new(broker.subscriber.clone(), subscription, consumer, retriers, guard))
    }
}

/// How often it is looked whether a handler blocks its thread.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Ends the process when a handler blocks its thread: nothing else ends that, and the next run's crash guard finds the event that did it.
fn watchdog() -> std::io::Result<Watchdog> {
    Watchdog::start(WATCH_INTERVAL, |Blocked { handler, event, time, limit }| {
        tracing::error!(
            handler, %event, ?time, ?limit,
            "the handler has held its thread for longer than its time limit and cannot be cut off: ending the process, so that others go on when it is \
             started again. After worker.crashes such ends the event becomes a dead letter. Have the handler await, or use spawn_blocking"
        );
        std::process::abort();
    })
}
