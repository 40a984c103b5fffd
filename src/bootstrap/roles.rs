use std::{sync::Arc, time::Duration};

use activelog_application::{
    backpressure::{PressureGauge, PressureMonitor},
    ports::Broker,
    relay::Scheduler,
    retention::Keeper,
};
use activelog_interfaces::http::{self, HttpState};
use anyhow::Context;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::{
    Application, Lifecycle, SchemaPolicy,
    announcement::announce,
    broker::check_broker,
    health::ProcessHealth,
    housekeeping,
    messaging::{Connected, Maker, Messaging},
    options,
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

    pub(super) fn has_api(self) -> bool {
        matches!(self, Self::Serve | Self::Api)
    }

    pub(super) fn has_relay(self) -> bool {
        matches!(self, Self::Serve | Self::Relay)
    }

    pub(super) fn has_worker(self) -> bool {
        matches!(self, Self::Serve | Self::Worker)
    }

    fn has_broker(self) -> bool {
        self.has_relay() || self.has_worker()
    }
}

/// Runs a role until a signal stops it. `Ok(true)` after a clean stop, `Ok(false)` after one that was cut short.
///
/// A broker that is away is waited for, in the background; the API answers meanwhile.
///
/// # Errors
/// When the address is taken, the storage cannot be opened, the broker refuses or will not do, or a part cannot go on.
pub async fn run_role(
    role: Role,
    config: &Config,
    schema: SchemaPolicy,
    lifecycle: &Lifecycle,
) -> anyhow::Result<bool> {
    let work = async {
        // Before anything else, so that a wrong URL or a port that is taken is told before a database is touched.
        if role.has_broker() {
            check_broker(&config.broker)?;
        }
        let listener = listen(role, config).await?;
        let application = Application::open(config, schema).await?;
        let maker = Maker { role, config, application: &application, lifecycle };
        let broker = if role.has_broker() { Some(maker.connect().await?) } else { None };
        let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        announce(role, &application, broker.as_ref(), address);
        let (tell, messaging) = watch::channel(match &broker {
            None => Messaging::None,
            Some(Ok(_)) => Messaging::Away("starting".to_owned()),
            Some(Err(away)) => Messaging::Away(away.clone()),
        });
        let parts = Parts::new(role, config, &application, messaging.clone());
        let outcome = match broker {
            Some(broker) => {
                let (parts, on_broker) =
                    tokio::join!(parts.run(listener, config, &application, lifecycle), maker.run(broker, tell));
                on_broker.and(parts)
            }
            None => parts.run(listener, config, &application, lifecycle).await,
        };
        let broker = match &*messaging.borrow() {
            Messaging::Connected(Connected { broker, .. }) => Some(broker.clone()),
            Messaging::None | Messaging::Away(_) => None,
        };
        // What asks the broker how it is ends with it.
        drop(messaging);
        close(&application, broker.as_ref()).await;
        outcome
    };
    tokio::select! {
        outcome = work => outcome.map(|()| true),
        () = after(&lifecycle.hard_stop) => Ok(false),
    }
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
    if let Some(Broker { subscriber, publisher, .. }) = broker {
        if let Err(error) = subscriber.close().await {
            tracing::warn!(%error, "the subscriber did not close cleanly; unacknowledged events arrive again");
        }
        if let Err(error) = publisher.close().await {
            tracing::warn!(%error, "the publisher did not close cleanly; unpublished events stay in the outbox");
        }
    }
    application.close().await;
}

/// The parts of a role that work without a broker, put together and not yet running.
struct Parts {
    role: Role,
    scheduler: Option<Scheduler>,
    keeper: Option<Keeper>,
    pressure: Option<PressureMonitor>,
    health: ProcessHealth,
}

impl Parts {
    fn new(role: Role, config: &Config, application: &Application, messaging: watch::Receiver<Messaging>) -> Self {
        let pressure = role.has_api().then(|| housekeeping::pressure_monitor(config, application));
        let health = ProcessHealth {
            role,
            queries: application.storage.queries.clone(),
            replays: application.storage.replays.clone(),
            messaging,
            pressure: pressure.as_ref().map(PressureMonitor::gauge),
        };
        let scheduler = role.has_relay().then(|| housekeeping::scheduler(config, application));
        let keeper = role.has_relay().then(|| housekeeping::keeper(config, application));
        Self { role, scheduler, keeper, pressure, health }
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
        if let Some(listener) = listener {
            let (state, options) = (http_state(application, self.health, gauge), options::http(&config.server));
            let router =
                if self.role.has_api() { http::router(state, options) } else { http::health_router(state, options) };
            let stop = lifecycle.stop.clone();
            parts.spawn(
                async move { http::serve(listener, router, stop).await.context("the HTTP server cannot go on") },
            );
        }
        lifecycle.finish(parts).await
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
