use std::time::Duration;

use activelog_application::ports::Finding;
use async_nats::{
    ServerInfo,
    jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};

use super::NatsOptions;
use crate::broker::probing::too_old;

/// The oldest NATS whose streams have what is used here.
const LEAST: (u32, u32) = (2, 10);

/// What is gone after less time than this may be gone before somebody has mended an outage.
const SHORT: Duration = Duration::from_secs(86_400);

/// What is to be said of the server.
pub(super) fn of_server(server: &ServerInfo, options: &NatsOptions) -> Vec<Finding> {
    let unsaid = options.durability.is_none().then(|| {
        Finding::warning(
            "NATS does not tell how often it syncs its files (sync_interval)",
            "by default every two minutes: what was published since may be gone after a loss of power",
            "set `sync_interval: always` in its configuration and say so with `durability=power-loss` in the broker URL; or accept it with \
             `durability=process-crash`",
        )
    });
    too_old("NATS", &server.version, LEAST).into_iter().chain(unsaid).collect()
}

/// JetStream is off.
pub(super) fn without_jetstream(reason: &str) -> Finding {
    Finding::error(
        format!("JetStream is not there: {reason}"),
        "NATS keeps nothing, so it can carry no events",
        "enable it with `jetstream { store_dir: … }` in the server's configuration, and for this user's account",
    )
}

/// What is to be said of the stream of events.
pub(super) fn of_stream(config: &Config, servers: &ServerInfo) -> Vec<Finding> {
    let name = &config.name;
    let mut findings = Vec::new();
    if config.storage != StorageType::File {
        findings.push(Finding::error(
            format!("stream {name} is kept in memory"),
            "whatever was published is lost when NATS ends",
            format!("let the workers take what is there, delete the stream (`nats stream rm {name}`): it is made anew, on disk"),
        ));
    }
    if config.retention != RetentionPolicy::Limits {
        findings.push(Finding::error(
            format!("stream {name} does not keep its messages (retention is {:?})", config.retention),
            "events are removed before every group has taken them",
            format!("let the workers take what is there, delete the stream (`nats stream rm {name}`): it is made anew"),
        ));
    }
    let bounded = config.max_messages > 0 || config.max_bytes > 0 || config.max_messages_per_subject > 0;
    if bounded && config.discard != DiscardPolicy::New {
        findings.push(Finding::error(
            format!("stream {name} throws away its oldest messages when it is full"),
            "events are gone that nobody has taken",
            format!("`nats stream edit {name} --discard new`: publishing then waits instead"),
        ));
    }
    if config.max_age > Duration::ZERO && config.max_age < SHORT {
        findings.push(Finding::warning(
            format!("stream {name} keeps messages for {:?} only (max_age)", config.max_age),
            "what a group has not taken by then is lost to it",
            format!("`nats stream edit {name} --max-age 7d`, or longer than any outage"),
        ));
    }
    if config.num_replicas < 2 && servers.cluster.is_some() {
        findings.push(Finding::warning(
            format!("stream {name} is on one server of the cluster (replicas is 1)"),
            "while that server is away nothing is published, and with its disk the events are gone",
            format!("`nats stream edit {name} --replicas 3`, and replicas=3 in the broker URL"),
        ));
    }
    findings
}

/// What is to be said of the stream behind the bucket of leases and positions.
pub(super) fn of_bucket(bucket: &str, config: &Config) -> Option<Finding> {
    (config.storage != StorageType::File).then(|| {
        Finding::error(
            format!("bucket {bucket} is kept in memory"),
            "how far the groups are is forgotten when NATS ends: they get everything again, also what inboxes no longer know",
            format!("stop the workers when they have taken everything, and delete it (`nats kv del {bucket}`): it is made anew"),
        )
    })
}
