use activelog_application::{
    activity::{handlers, ports::Repositories},
    delivery::{ConcurrencyLayer, FailureMachine, Replayer, Router, SpanLayer},
};
use activelog_interfaces::cli::ReplayArgs;
use anyhow::Context;

use super::{Application, Lifecycle, SchemaPolicy, options, webhooks};
use crate::{
    commands::{CommandError, ExitStatus, replay_events},
    config::Config,
};

/// Replays the events of a handler.
pub(super) async fn replay(
    args: &ReplayArgs,
    config: &Config,
    lifecycle: &Lifecycle,
) -> Result<ExitStatus, CommandError> {
    let application = Application::open(config, SchemaPolicy::Refuse).await.map_err(CommandError::failed)?;
    let work = async {
        let outcome = match replayer(config, &application, lifecycle) {
            Ok(replayer) => replay_events(&replayer, &*application.storage.replays, args, &lifecycle.stop).await,
            Err(error) => Err(CommandError::failed(error)),
        };
        application.close().await;
        outcome
    };
    // Every step is a transaction of its own: it resumes from the last one.
    lifecycle.hard_stop.run_until_cancelled(work).await.unwrap_or_else(|| {
        Err(CommandError::interrupted("the replay was stopped at once; run the same command again to resume it"))
    })
}

/// With the handlers of a worker and what is around them there, but for the guard against crashes: whoever runs the command sees them.
fn replayer(
    config: &Config,
    application: &Application,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Replayer<dyn Repositories>> {
    let (worker, storage) = (&config.worker, &application.storage);
    let machine =
        FailureMachine::new(storage.parking.clone(), application.clock.clone(), &worker.group, lifecycle.stop.clone());
    let concurrency = ConcurrencyLayer::new(options::concurrency(worker, &config.storage), lifecycle.stop.clone());
    let router = || {
        let router = Router::new(application.orchestrator.clone()).policies(options::failure_policies(worker));
        router.layer(SpanLayer).layer(concurrency.clone())
    };
    // Handlers of webhooks cannot be replayed; with them there, their names are known.
    let routes = handlers::register(router()).build()?.and(&webhooks::fan_out(storage, router())?)?;
    let deliveries = webhooks::deliveries(&config.webhooks, application, router()).context("webhooks")?;
    Ok(Replayer::new(
        application.orchestrator.clone(),
        routes.and(&deliveries)?.within(&machine.layer()),
        handlers::projections(),
        storage.journal.clone(),
        storage.replays.clone(),
        storage.leases.clone(),
    ))
}
