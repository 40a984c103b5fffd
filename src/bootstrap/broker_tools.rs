//! Commands that work on a broker alone. The database is opened only where it is the broker.

use std::{
    io::{BufWriter, Write},
    sync::Arc,
};

use activelog_application::ports::{Broker, IdGenerator};
use activelog_infrastructure::{clock::SystemClock, id_generator::UuidV7Generator};
use activelog_interfaces::cli::{
    GroupsCommand, PublishArgs, TailArgs,
    publish::{LineParser, PublishProgress, PublishTools},
};

use super::{
    Application, Lifecycle, SchemaPolicy,
    broker::{check_broker, connect_url},
};
use crate::{
    commands::{CommandError, ExitStatus, manage_group, publish_events, tail_broker_events},
    config::{Config, SecretUrl},
};

/// Connected brokers, and the database where one of them is it.
pub(super) struct Connected {
    pub(super) brokers: Vec<Broker>,
    application: Option<Application>,
}

impl Connected {
    /// Connects the brokers of these URLs.
    pub(super) async fn open(config: &Config, urls: &[&SecretUrl]) -> Result<Self, CommandError> {
        let ids: Arc<dyn IdGenerator> = Arc::new(UuidV7Generator);
        let application = match urls.iter().any(|url| is_database(url)) {
            true => Some(Application::open(config, SchemaPolicy::Refuse).await.map_err(CommandError::failed)?),
            false => None,
        };
        let mut connected = Self { brokers: Vec::new(), application };
        for url in urls {
            let storage = connected.application.as_ref().map(|application| &application.storage);
            match connect_url(url, storage, ids.clone()).await {
                Ok(broker) => connected.brokers.push(broker),
                Err(error) => {
                    connected.close().await;
                    return Err(CommandError::failed(error));
                }
            }
        }
        Ok(connected)
    }

    /// Closes everything. What the broker has confirmed stays.
    pub(super) async fn close(&self) {
        for broker in &self.brokers {
            if let Err(error) = broker.subscriber.close().await {
                tracing::debug!(%error, "the subscriber did not close cleanly");
            }
            if let Err(error) = broker.publisher.close().await {
                tracing::debug!(%error, "the publisher did not close cleanly");
            }
        }
        if let Some(application) = &self.application {
            application.close().await;
        }
    }
}

fn is_database(url: &SecretUrl) -> bool {
    url.scheme().is_some_and(|scheme| scheme == "database")
}

/// Does something with the configured broker; a second signal ends it at once.
async fn with_broker(
    config: &Config,
    lifecycle: &Lifecycle,
    act: impl AsyncFnOnce(&Broker) -> Result<ExitStatus, CommandError>,
) -> Result<ExitStatus, CommandError> {
    check_broker(&config.broker).map_err(CommandError::usage)?;
    let work = async {
        let connected = Connected::open(config, &[&config.broker.url]).await?;
        let outcome = match connected.brokers.first() {
            Some(broker) if broker.capabilities.spans_processes => act(broker).await,
            _ => Err(CommandError::usage("this broker lives within one process: no command can reach it from another")),
        };
        connected.close().await;
        outcome
    };
    lifecycle.hard_stop.run_until_cancelled(work).await.unwrap_or(Ok(ExitStatus::Interrupted))
}

/// Prints the events of the broker.
pub(super) async fn tail(args: &TailArgs, config: &Config, lifecycle: &Lifecycle) -> Result<ExitStatus, CommandError> {
    with_broker(config, lifecycle, async |broker| {
        let group = format!("tail-{}", UuidV7Generator.next_id());
        // With standard error gone there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "reading from the {} broker as the group {group}", broker.name);
        let mut output = BufWriter::new(std::io::stdout());
        tail_broker_events(broker, &group, args, &mut output, &lifecycle.stop).await
    })
    .await
}

/// Publishes events from a file or standard input.
pub(super) async fn publish(
    args: &PublishArgs,
    config: &Config,
    lifecycle: &Lifecycle,
) -> Result<ExitStatus, CommandError> {
    with_broker(config, lifecycle, async |broker| {
        let most = broker.capabilities.max_payload;
        let tools = PublishTools {
            publisher: broker.publisher.clone(),
            parser: LineParser::new(Arc::new(UuidV7Generator), Arc::new(SystemClock), most),
            output: &mut BufWriter::new(std::io::stdout()),
            progress: &PublishProgress::new(),
            cancel: &lifecycle.stop,
        };
        publish_events(args, tools).await
    })
    .await
}

/// Looks after a consumer group of the broker.
pub(super) async fn groups(
    command: &GroupsCommand,
    config: &Config,
    lifecycle: &Lifecycle,
) -> Result<ExitStatus, CommandError> {
    let named = match command {
        GroupsCommand::Lag(args) => &args.group,
        GroupsCommand::Begin(args) => &args.group,
        GroupsCommand::Remove(args) => args,
    };
    let group = named.group.as_deref().unwrap_or(&config.worker.group);
    with_broker(config, lifecycle, async |broker| manage_group(broker, command, group, &lifecycle.stop).await).await
}
