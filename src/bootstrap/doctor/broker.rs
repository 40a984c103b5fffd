use std::{sync::Arc, time::Duration};

use activelog_application::ports::{Broker, Finding, Lag, Severity};
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources, require_durability},
    clock::SystemClock,
    id_generator::UuidV7Generator,
};
use jiff::SignedDuration;
use tokio::time::timeout;

use crate::{
    bootstrap::{SchemaPolicy, Storage, broker},
    config::Config,
};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(15);

/// How long a group may be looked at.
const LOOK: Duration = Duration::from_secs(15);

/// What was found of the broker.
#[derive(Debug, Default)]
pub(super) struct Inspected {
    pub(super) findings: Vec<Finding>,
    pub(super) clock_ahead: Option<SignedDuration>,
}

/// Looks at the broker that the configuration names. `usable` is whether the database is as it should be, which a broker on it needs.
pub(super) async fn inspect(config: &Config, usable: bool) -> Inspected {
    let mut inspected = Inspected::default();
    let url = config.broker.url.expose();
    if let Err(error) = BrokerRegistry::with_builtin().check(url) {
        inspected.findings.push(cannot(&error.to_string(), "correct broker.url"));
        return inspected;
    }
    if config.broker.url.scheme().as_deref() != Some("database") {
        look(config, broker::resources(None, Arc::new(UuidV7Generator)), &mut inspected).await;
        return inspected;
    }
    if !usable {
        let later = "it is the journal in the database, which has to be as it should be first";
        inspected.findings.push(Finding::ok(later));
        return inspected;
    }
    match Storage::open(&config.storage, Arc::new(SystemClock), SchemaPolicy::Refuse).await {
        Ok(storage) => {
            look(config, broker::resources(Some(&storage), Arc::new(UuidV7Generator)), &mut inspected).await;
            storage.close().await;
        }
        Err(error) => inspected.findings.push(cannot(&format!("{error:#}"), "see what is said of the database")),
    }
    inspected
}

async fn look(config: &Config, resources: BrokerResources, inspected: &mut Inspected) {
    let (registry, url) = (BrokerRegistry::with_builtin(), config.broker.url.expose());
    let reached = timeout(CONNECT, registry.probe(url, resources.clone())).await;
    let answer = match reached {
        Ok(Ok(probe)) => {
            probe.probe(&config.worker.group).await.map_err(|error| format!("{}: {error}", config.broker.url))
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no connection to the broker {} within {} s", config.broker.url, CONNECT.as_secs())),
    };
    let report = match answer {
        Ok(report) => report,
        Err(what) => {
            let advice = "check that it runs there and accepts connections from here, and host, port, user and password in broker.url";
            inspected.findings.push(cannot(&what, advice));
            return;
        }
    };
    let millis = report.round_trip.as_secs_f64() * 1e3;
    inspected.findings.push(Finding::ok(format!("{}; round trip {millis:.2} ms", report.product())));
    inspected.clock_ahead = report.clock_ahead;
    let sound = report.findings.iter().all(|finding| finding.severity < Severity::Error);
    inspected.findings.extend(report.findings);
    if !report.laid_out {
        let later = "what carries events is not all there yet: the first relay or worker that starts makes it";
        inspected.findings.extend(sound.then(|| Finding::ok(later)));
    } else {
        // Everything is there, so connecting makes nothing.
        match timeout(CONNECT, registry.connect(url, resources)).await {
            Ok(Ok(broker)) => promised(config, &broker, inspected).await,
            Ok(Err(error)) => inspected.findings.push(cannot(&error.to_string(), "see above")),
            Err(_) => inspected.findings.push(cannot("the broker takes too long to connect", "see above")),
        }
    }
}

/// What the broker promises, and how far its group is.
async fn promised(config: &Config, broker: &Broker, inspected: &mut Inspected) {
    let required = broker::durability(config.broker.require_durability);
    inspected.findings.push(match require_durability(broker, required) {
        Ok(()) => Finding::ok(format!(
            "it keeps what is published through {}; broker.require_durability asks for {}",
            broker.capabilities.durability.survived(),
            required.survived()
        )),
        Err(error) => Finding::error(
            error.to_string(),
            "relays and workers refuse to start",
            "mend the settings above, or lower broker.require_durability",
        ),
    });
    let group = &config.worker.group;
    let lag = timeout(LOOK, broker.subscriber.lag(group)).await;
    inspected.findings.push(match lag {
        Ok(Ok(Some(lag))) => behind(group, lag, config.backpressure.max_group_lag.into()),
        Ok(Ok(None)) => Finding::ok(format!("it cannot be told from here how far group {group} is behind")),
        Ok(Err(error)) => unknown(group, &error.to_string()),
        Err(_) => unknown(group, "the broker takes too long"),
    });
    // Nothing was published or subscribed: there is nothing to lose.
    let _ = tokio::join!(broker.subscriber.close(), broker.publisher.close());
}

fn behind(group: &str, lag: Lag, most: u64) -> Finding {
    let age = lag.age.map(|age| format!(", the oldest of them for {:.1} s", age.as_secs_f64())).unwrap_or_default();
    let what = format!("group {group} has {} events to take{age}", lag.events);
    match lag.events > most {
        true => Finding::warning(
            what,
            "workers are not running, or slower than what is published (backpressure.max_group_lag)",
            "look at the workers' logs, and start more of them",
        ),
        false => Finding::ok(what),
    }
}

fn unknown(group: &str, reason: &str) -> Finding {
    Finding::warning(
        format!("it cannot be told how far group {group} is behind: {reason}"),
        "workers may fail in the same way",
        "see the findings above",
    )
}

fn cannot(what: &str, advice: &str) -> Finding {
    let means = "relays and workers refuse to start; events that were accepted wait in the outbox, and nothing is lost";
    Finding::error(what, means, advice)
}
