use std::sync::Arc;

use activelog_application::{bridge::RefusedEvents, ports::Broker};
use activelog_infrastructure::broker::BrokerRegistry;
use activelog_interfaces::cli::{
    BridgeArgs,
    bridge::{BridgeReporter, BridgeTools, RefusedFile},
};

use super::{Lifecycle, broker_tools::Connected};
use crate::{
    commands::{CommandError, ExitStatus, run_bridge},
    config::{Config, SecretUrl},
};

/// Copies events from one broker to another.
pub(super) async fn bridge(
    args: &BridgeArgs,
    config: &Config,
    lifecycle: &Lifecycle,
) -> Result<ExitStatus, CommandError> {
    let (from, to) = (SecretUrl::new(&args.from), SecretUrl::new(&args.to));
    let registry = BrokerRegistry::with_builtin();
    for url in [&from, &to] {
        registry.check(url.expose()).map_err(CommandError::usage)?;
    }
    if place(&args.from) == place(&args.to) {
        return Err(CommandError::usage("--from and --to are the same broker: every event would be copied for ever"));
    }
    let refused = args.skip_refused.as_deref().map(|path| {
        let opened = RefusedFile::open(path).map(|file| Arc::new(file) as Arc<dyn RefusedEvents>);
        opened.map_err(|error| CommandError::usage(format!("cannot write to {}: {error}", path.display())))
    });
    let refused = refused.transpose()?;
    let work = async {
        let connected = Connected::open(config, &[&from, &to]).await?;
        let outcome = match connected.brokers.as_slice() {
            [source, target] if [source, target].iter().all(|broker| broker.capabilities.spans_processes) => {
                copy(args, source, target, refused, lifecycle).await
            }
            _ => Err(CommandError::usage("a broker that lives within one process cannot be reached from another")),
        };
        connected.close().await;
        outcome
    };
    lifecycle.hard_stop.run_until_cancelled(work).await.unwrap_or(Ok(ExitStatus::Interrupted))
}

async fn copy(
    args: &BridgeArgs,
    source: &Broker,
    target: &Broker,
    refused: Option<Arc<dyn RefusedEvents>>,
    lifecycle: &Lifecycle,
) -> Result<ExitStatus, CommandError> {
    let tools = BridgeTools {
        source: source.subscriber.clone(),
        target: target.publisher.clone(),
        refused,
        reporter: &BridgeReporter::new(),
        cancel: &lifecycle.stop,
    };
    run_bridge(args, tools).await
}

/// What of a URL says which broker it is: protocol, servers, path and namespace. Not who asks, nor how.
fn place(url: &str) -> (String, Vec<String>, String, String) {
    let (scheme, rest) = url.trim().split_once(':').unwrap_or((url, ""));
    let (protocol, port) = match scheme.to_ascii_lowercase().as_str() {
        "redis" | "rediss" => ("redis", "6379"),
        "nats" | "tls" => ("nats", "4222"),
        "amqp" => ("amqp", "5672"),
        "amqps" => ("amqp", "5671"),
        "kafka" | "kafkas" => ("kafka", "9092"),
        other => return (other.to_owned(), Vec::new(), String::new(), String::new()),
    };
    let rest = rest.trim_start_matches('/');
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let address = address.rsplit_once('@').map_or(address, |(_, address)| address);
    let (servers, path) = address.split_once('/').unwrap_or((address, ""));
    let mut servers: Vec<String> = servers.split(',').map(|server| with_port(server, port)).collect();
    servers.sort();
    let path = if protocol == "redis" && path.is_empty() { "0" } else { path };
    let namespace = query.split('&').find_map(|pair| pair.strip_prefix("namespace=")).unwrap_or("activelog");
    (protocol.to_owned(), servers, path.to_owned(), namespace.to_owned())
}

fn with_port(server: &str, port: &str) -> String {
    let server = server.to_ascii_lowercase();
    let named = server.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let host = |server: &str| server.replace("localhost", "127.0.0.1");
    if named { host(&server) } else { format!("{}:{port}", host(&server)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_broker_is_known_however_it_is_written() {
        for (one, other) in [
            ("nats://127.0.0.1", "nats://ann:s3cret@localhost:4222?max_age=1d"),
            ("redis://cache:6379", "redis://:s3cret@CACHE/0"),
            ("kafka://a,b:9092", "kafka://b,a"),
            ("amqp://rabbit/", "amqp://guest:guest@rabbit:5672?window=5"),
            ("database:", "DATABASE:"),
        ] {
            assert_eq!(place(one), place(other), "{one} {other}");
        }
        for (one, other) in [
            ("nats://a", "nats://b"),
            ("nats://a", "nats://a?namespace=b"),
            ("redis://a/0", "redis://a/1"),
            ("amqp://a/x", "amqp://a/y"),
            ("kafka://a", "nats://a"),
        ] {
            assert_ne!(place(one), place(other), "{one} {other}");
        }
    }
}
