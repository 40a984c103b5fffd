use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::handlers,
    backpressure::{PressureGauge, PressureMonitor},
    delivery::{
        Blocked, ConcurrencyLayer, Consumer, CrashGuard, FailureMachine, ParkFirstLayer, Retrier, Router, SpanLayer,
        Watchdog,
    },
    ports::{Broker, Subscription},
    relay::{Relay, RelayTarget, Scheduler},
    retention::Keeper,
};
use activelog_interfaces::{
    http::{self, HttpState},
    worker::Worker,
};
use anyhow::Context;
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    Application, Lifecycle, SchemaPolicy, announcement::announce, broker::check_broker, broker_watch::BrokerWatch,
    health::ProcessHealth, housekeeping, journal_group, options, webhooks,
};
use crate::config::Config;

/// Which parts a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// API, relay and worker.
    Serve,
    /// The HTTP API.
    Api,
    /// The relay.
    Relay,
    /// The worker.
    Worker,
}

impl Role {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Api => "api",
            Self::Relay => "relay",
            Self::Worker => "worker",
        }
    }

    fn has_api(self) -> bool {
        matches!(self, Self::Serve | Self::Api)
    }

    fn has_relay(self) -> bool {
        matches!(self, Self::Serve | Self::Relay)
    }

    fn has_worker(self) -> bool {
        matches!(self, Self::Serve | Self::Worker)
    }
}

/// Runs a role until a signal stops it. `Ok(true)` after a clean stop, `Ok(false)` after one that was cut short.
///
/// # Errors
/// When the address is taken, storage or broker cannot be opened, or a part cannot go on.
pub async fn run_role(
    role: Role,
    config: &Config,
    schema: SchemaPolicy,
    lifecycle: &Lifecycle,
) -> anyhow::Result<bool> {
    let work = async {
        // Before anything else, so that a wrong URL or a port that is taken is told before a database is touched.
        let needs_broker = role.has_relay() || role.has_worker();
        if needs_broker {
            check_broker(&config.broker)?;
        }
        let listener = listen(role, config).await?;
        let application = Application::open(config, schema).await?;
        let broker = if needs_broker { Some(connect(role, config, &application).await?) } else { None };
        let parts = Parts::new(role, config, &application, broker.clone(), lifecycle).await?;
        let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        announce(role, &application, broker.as_ref(), address);
        let outcome = parts.run(listener, config, &application, lifecycle).await;
        close(&application, broker.as_ref()).await;
        outcome
    };
    tokio::select! {
        outcome = work => outcome.map(|()| true),
        () = after(&lifecycle.hard_stop) => Ok(false),
    }
}

/// A broker that lives within one process is of no use to a relay or a worker alone: what one publishes the other never sees.
async fn connect(role: Role, config: &Config, application: &Application) -> anyhow::Result<Broker> {
    let broker = application.broker(config).await?;
    anyhow::ensure!(
        role == Role::Serve || broker.capabilities.spans_processes,
        "the {} broker lives within one process and cannot connect roles that run apart: \
         run `activelog serve`, or choose another broker, such as --broker-url database:",
        broker.name
    );
    if broker.capabilities.delivers_from_journal {
        journal_group::ensure_begun(&config.worker.group, &application.storage).await?;
    }
    Ok(broker)
}

/// A moment after the hard stop: parts that obey it at once still end in order.
async fn after(hard_stop: &tokio_util::sync::CancellationToken) {
    hard_stop.cancelled().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// Where the API answers, or `/health` alone.
async fn listen(role: Role, config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let (address, setting) = match role.has_api() {
        true => (Some(config.server.listen), "--listen"),
        false => (config.server.health_listen, "server.health_listen"),
    };
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: choose another address with {setting}, or stop what uses it")
    })?;
    Ok(Some(listener))
}

/// Publisher last but one, storage last: what closes later may still be needed by what closes earlier.
async fn close(application: &Application, broker: Option<&Broker>) {
    if let Some(broker) = broker {
        if let Err(error) = broker.subscriber.close().await {
            tracing::warn!(%error, "the subscriber did not close cleanly; unacknowledged events arrive again");
        }
        if let Err(error) = broker.publisher.close().await {
            tracing::warn!(%error, "the publisher did not close cleanly; unpublished events stay in the outbox");
        }
    }
    application.close().await;
}

/// The parts of a role, put together and not yet running.
struct Parts {
    role: Role,
    relay: Option<Relay>,
    scheduler: Option<Scheduler>,
    keeper: Option<Keeper>,
    worker: Option<Worker>,
    pressure: Option<PressureMonitor>,
    health: ProcessHealth,
}

impl Parts {
    async fn new(
        role: Role,
        config: &Config,
        application: &Application,
        broker: Option<Broker>,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Self> {
        let mut health = ProcessHealth {
            queries: application.storage.queries.clone(),
            replays: application.storage.replays.clone(),
            broker: broker.clone(),
            broker_watch: broker.as_ref().map(|broker| BrokerWatch::start(broker, &config.worker.group)),
            relay: None,
            worker: None,
            pressure: None,
        };
        let (mut relay, mut worker) = (None, None);
        let pressure = role.has_api().then(|| housekeeping::pressure_monitor(config, application));
        health.pressure = pressure.as_ref().map(PressureMonitor::gauge);
        if let Some(broker) = broker {
            if role.has_relay() {
                let part = new_relay(config, application, &broker);
                health.relay = Some(part.health());
                relay = Some(part);
            }
            if role.has_worker() {
                let part = new_worker(config, application, &broker, lifecycle).await?;
                health.worker = Some(part.status());
                worker = Some(part);
            }
        }
        let scheduler = role.has_relay().then(|| housekeeping::scheduler(config, application));
        let keeper = role.has_relay().then(|| housekeeping::keeper(config, application));
        Ok(Self { role, relay, scheduler, keeper, worker, pressure, health })
    }

    /// Runs everything until it has stopped. A part that ends without being told to takes the others with it.
    async fn run(
        self,
        listener: Option<TcpListener>,
        config: &Config,
        application: &Application,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<()> {
        let mut parts = JoinSet::new();
        if let Some(relay) = self.relay {
            let stop = lifecycle.stop.clone();
            parts.spawn(async move {
                relay.run(&stop).await;
                anyhow::Ok(())
            });
        }
        if let Some(scheduler) = self.scheduler {
            let stop = lifecycle.stop.clone();
            parts.spawn(async move {
                scheduler.run(&stop).await;
                anyhow::Ok(())
            });
        }
        if let Some(keeper) = self.keeper {
            let stop = lifecycle.stop.clone();
            parts.spawn(async move {
                keeper.run(&stop).await;
                anyhow::Ok(())
            });
        }
        let gauge = self.pressure.as_ref().map(PressureMonitor::gauge).unwrap_or_default();
        if let Some(pressure) = self.pressure {
            let stop = lifecycle.stop.clone();
            parts.spawn(async move {
                pressure.run(&stop).await;
                anyhow::Ok(())
            });
        }
        if let Some(worker) = self.worker {
            let Lifecycle { stop, hard_stop } = lifecycle.clone();
            parts.spawn(async move { worker.run(&stop, &hard_stop).await.context("the worker cannot go on") });
        }
        if let Some(listener) = listener {
            let (state, options) = (http_state(application, self.health, gauge), options::http(&config.server));
            let router =
                if self.role.has_api() { http::router(state, options) } else { http::health_router(state, options) };
            let stop = lifecycle.stop.clone();
            parts.spawn(
                async move { http::serve(listener, router, stop).await.context("the HTTP server cannot go on") },
            );
        }
        let mut outcome = Ok(());
        while let Some(ended) = parts.join_next().await {
            lifecycle.stop.cancel();
            outcome = outcome.and(ended.context("a part of the process panicked").and_then(|part| part));
        }
        outcome
    }
}

fn http_state(application: &Application, health: ProcessHealth, pressure: PressureGauge) -> HttpState {
    HttpState {
        log: application.log.clone(),
        queries: application.storage.queries.clone(),
        webhooks: application.webhooks.clone(),
        webhook_store: application.storage.webhooks.clone(),
        journal: application.storage.journal.clone(),
        outbox: application.storage.outbox.clone(),
        failures: application.failed_events(),
        clock: application.clock.clone(),
        ids: application.ids.clone(),
        health: Arc::new(health),
        pressure,
    }
}

fn new_relay(config: &Config, application: &Application, broker: &Broker) -> Relay {
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
        options::relay(&config.relay),
    )
}

async fn new_worker(
    config: &Config,
    application: &Application,
    broker: &Broker,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Worker> {
    let (worker, storage) = (&config.worker, &application.storage);
    // Whatever was under way when an earlier run was cut short is among as many events as one run takes at once.
    let window = u64::from(worker.prefetch);
    let guard =
        CrashGuard::begin(storage.crash_marks.clone(), &worker.group, application.ids.next_id(), window).await?;
    let machine =
        FailureMachine::new(storage.parking.clone(), application.clock.clone(), &worker.group, lifecycle.stop.clone());
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
    let subscription = Subscription::new(worker.group.clone(), consumed.patterns()).prefetch(worker.prefetch as usize);
    let consumer = Consumer::new(consumed, options::consumer(worker));
    Ok(Worker::new(broker.subscriber.clone(), subscription, consumer, retriers, guard))
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
