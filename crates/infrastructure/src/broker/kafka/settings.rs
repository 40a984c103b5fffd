use std::time::Duration;

use activelog_application::ports::{Durability, Finding};
use rdkafka::admin::ConfigResource;

use super::{
    config::Settings,
    topic::{durability, max_payload, number, value},
};

/// As many replicas seldom lose power together.
const SAFE_REPLICATION: usize = 3;

/// What is gone after less time than this may be gone before somebody has mended an outage.
const SHORT: Duration = Duration::from_secs(86_400);

/// Where the topic is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// How many brokers there are.
    pub(super) brokers: usize,
    /// On how many of them each partition is kept, at least; 0 without a topic.
    pub(super) replicas: usize,
    /// How many of those keep up, of the partition with the fewest.
    pub(super) in_sync: usize,
}

/// What is to be said of a topic that is not there yet.
pub(super) fn of_missing_topic(settings: &Settings, layout: Layout) -> Option<Finding> {
    let (wanted, there) = (usize::from(settings.options.replication), layout.brokers);
    (wanted > there).then(|| {
        Finding::error(
            format!("topic {} is to be on {wanted} brokers, and there are {there}", settings.topic()),
            "it cannot be made, so no event can be published",
            "start more brokers, or say a smaller `replication` in the broker URL",
        )
    })
}

/// What is to be said of where the topic is kept, as it is configured if that is known.
pub(super) fn of_layout(topic: &str, layout: Layout, config: Option<&ConfigResource>) -> Vec<Finding> {
    let Layout { brokers, replicas, in_sync } = layout;
    let mut findings = Vec::new();
    if replicas < 2 {
        findings.push(Finding::warning(
            format!("topic {topic} has one replica (replication factor 1)"),
            match brokers {
                0 | 1 => "with the disk of its only broker the events are gone".to_owned(),
                _ => format!("{brokers} brokers are there, and each event is on one of them: with its disk it is gone"),
            },
            "where it matters, run three brokers or more and keep the topic on three (`kafka-reassign-partitions`; replication=3 in the broker URL when it is \
             made), with min.insync.replicas=2",
        ));
    }
    if in_sync < replicas {
        findings.push(Finding::warning(
            format!("topic {topic}: a partition has {in_sync} of its {replicas} replicas in sync"),
            "the loss of another broker may stop publishing, or lose events",
            "look for the broker that is away or behind",
        ));
    }
    let least = config.and_then(|config| number(config, "min.insync.replicas"));
    if replicas > 1 && least.is_some_and(|least| least < 2) {
        findings.push(Finding::warning(
            format!("topic {topic} has {replicas} replicas and min.insync.replicas 1"),
            "an event may be acknowledged while it is on one broker only",
            alter(topic, "min.insync.replicas=2"),
        ));
    }
    if least.is_some_and(|least| least > replicas as u64) {
        findings.push(Finding::error(
            format!(
                "topic {topic} has {replicas} replicas and wants {} in sync (min.insync.replicas)",
                least.unwrap_or(0)
            ),
            "nothing can be published",
            alter(topic, "min.insync.replicas=1"),
        ));
    }
    findings
}

/// What is to be said of how the topic is configured.
pub(super) fn of_topic(settings: &Settings, layout: Layout, config: &ConfigResource) -> Vec<Finding> {
    let topic = settings.topic();
    let mut findings = Vec::new();
    if value(config, "cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        findings.push(Finding::error(
            format!("topic {topic} is compacted (cleanup.policy)"),
            "of each key only the newest event is kept: those before it are lost to groups that have not taken them",
            alter(&topic, "cleanup.policy=delete"),
        ));
    }
    if value(config, "unclean.leader.election.enable") == Some("true") {
        findings.push(Finding::error(
            format!("topic {topic} has unclean.leader.election.enable"),
            "a broker that lacks acknowledged events may become the leader: they are lost then",
            alter(&topic, "unclean.leader.election.enable=false"),
        ));
    }
    if durability(config) < Durability::PowerLoss && layout.replicas < SAFE_REPLICATION {
        findings.push(Finding::warning(
            format!("topic {topic} does not sync each message (flush.messages)"),
            "events that were acknowledged last may be gone when all brokers that keep them lose power at once",
            format!(
                "{}; or keep the topic on three brokers that do not share their power",
                alter(&topic, "flush.messages=1")
            ),
        ));
    }
    let kept = number(config, "retention.ms").map(Duration::from_millis);
    if kept.is_some_and(|kept| kept < SHORT) || number(config, "retention.bytes").is_some() {
        findings.push(Finding::warning(
            format!("topic {topic} keeps events for a short time or up to a size (retention.ms, retention.bytes)"),
            "what a group has not taken by then is lost to it",
            alter(&topic, "retention.ms=2592000000,retention.bytes=-1"),
        ));
    }
    let most = max_payload(settings, config);
    if most < settings.options.max_payload {
        findings.push(Finding::warning(
            format!("topic {topic} takes at most {most} bytes of data (max.message.bytes)"),
            "larger events are refused, and stay in the outbox",
            format!("raise max.message.bytes, or say max_payload={most} in the broker URL"),
        ));
    }
    findings
}

/// The settings cannot be seen.
pub(super) fn hidden(topic: &str, reason: &str) -> Finding {
    Finding::warning(
        format!("the configuration of topic {topic} cannot be read: {reason}"),
        "it cannot be checked that it keeps what it has taken; it is taken to survive the end of its processes, not a loss of power",
        "allow this user DescribeConfigs on the topic",
    )
}

fn alter(topic: &str, setting: &str) -> String {
    format!("`kafka-configs --alter --topic {topic} --add-config {setting}`")
}

#[cfg(test)]
mod tests {
    use activelog_application::ports::Severity;
    use rdkafka::admin::{ConfigEntry, ConfigSource, OwnedResourceSpecifier};

    use super::*;
    use crate::broker::{
        BrokerUrl,
        kafka::{KafkaOptions, KafkaServers},
    };

    fn settings(url: &str) -> Settings {
        let read: (KafkaServers, KafkaOptions) =
            KafkaOptions::read(&BrokerUrl::parse(url).expect("a URL")).expect("a URL");
        Settings::new(read.0, read.1)
    }

    fn config(settings: &[(&str, &str)]) -> ConfigResource {
        let entry = |(name, value): &(&str, &str)| ConfigEntry {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            source: ConfigSource::Default,
            is_read_only: false,
            is_default: true,
            is_sensitive: false,
        };
        ConfigResource {
            specifier: OwnedResourceSpecifier::Topic("activelog.events".to_owned()),
            entries: settings.iter().map(entry).collect(),
        }
    }

    /// The findings as their severity and what was found.
    fn told(findings: &[Finding]) -> Vec<(Severity, &str)> {
        findings.iter().map(|finding| (finding.severity, finding.what.as_str())).collect()
    }

    const THREE: Layout = Layout { brokers: 3, replicas: 3, in_sync: 3 };

    #[test]
    fn a_safe_topic_has_no_findings() {
        let config = config(&[
            ("min.insync.replicas", "2"),
            ("cleanup.policy", "delete"),
            ("unclean.leader.election.enable", "false"),
            ("retention.ms", "604800000"),
            ("max.message.bytes", "1200000"),
        ]);
        assert_eq!(told(&of_layout("t", THREE, Some(&config))), []);
        assert_eq!(told(&of_topic(&settings("kafka://a"), THREE, &config)), []);
    }

    #[test]
    fn too_few_replicas_in_sync_are_told_of() {
        let least = |least| config(&[("min.insync.replicas", least)]);
        let found = of_layout("t", THREE, Some(&least("1")));
        assert_eq!(told(&found), [(Severity::Warning, "topic t has 3 replicas and min.insync.replicas 1")]);
        let found = of_layout("t", Layout { in_sync: 2, ..THREE }, Some(&least("2")));
        assert_eq!(told(&found), [(Severity::Warning, "topic t: a partition has 2 of its 3 replicas in sync")]);
        let found = of_layout("t", Layout { brokers: 1, replicas: 1, in_sync: 1 }, Some(&least("2")));
        let found = told(&found);
        assert!(found.iter().any(|(severity, _)| *severity == Severity::Error), "nothing can be published: {found:?}");
    }

    #[test]
    fn settings_that_lose_events_are_told_of() {
        let errors = [("cleanup.policy", "compact,delete"), ("unclean.leader.election.enable", "true")];
        for (name, value) in errors {
            let found = of_topic(&settings("kafka://a"), THREE, &config(&[(name, value), ("flush.messages", "1")]));
            assert!(matches!(told(&found)[..], [(Severity::Error, what)] if what.contains(name)), "{found:?}");
        }
        for (name, value) in [("retention.ms", "3600000"), ("retention.bytes", "1000000")] {
            let found = of_topic(&settings("kafka://a"), THREE, &config(&[(name, value)]));
            assert!(matches!(told(&found)[..], [(Severity::Warning, what)] if what.contains(name)), "{found:?}");
        }
        let alone = Layout { brokers: 1, replicas: 1, in_sync: 1 };
        let found = of_topic(&settings("kafka://a"), alone, &config(&[]));
        assert!(
            matches!(told(&found)[..], [(Severity::Warning, what)] if what.contains("flush.messages")),
            "{found:?}"
        );
        let missing = of_missing_topic(&settings("kafka://a?replication=3"), alone).expect("a finding");
        assert_eq!(missing.severity, Severity::Error);
    }
}
