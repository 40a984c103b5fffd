use std::time::Duration;

use activelog_application::ports::Durability;
use rdkafka::{
    admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication},
    config::FromClientConfigAndContext,
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode,
};

use super::{
    config::{ENVELOPE, Settings},
    context::LogContext,
    off_thread::OffThread,
};

/// The replicas that make a majority worth waiting for.
const SAFE_REPLICATION: u16 = 3;

type Admin = OffThread<AdminClient<LogContext>>;

/// What the topic's configuration says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TopicFacts {
    pub(super) durability: Durability,
    pub(super) max_payload: usize,
}

fn admin(settings: &Settings) -> KafkaResult<Admin> {
    AdminClient::from_config_and_context(&settings.client("admin"), LogContext).map(OffThread::new)
}

fn patience(settings: &Settings) -> AdminOptions {
    let timeout = Some(settings.options.timeout);
    AdminOptions::new().request_timeout(timeout).operation_timeout(timeout)
}

/// Makes the topic, unless somebody else just has.
pub(super) async fn make(settings: &Settings) -> KafkaResult<()> {
    let options = &settings.options;
    let topic = settings.topic();
    let max_bytes = (options.max_payload + ENVELOPE).to_string();
    let retention = options.max_age.map_or_else(|| "-1".to_owned(), |age: Duration| age.as_millis().to_string());
    let replication = TopicReplication::Fixed(i32::from(options.replication));
    let mut new = NewTopic::new(&topic, i32::from(options.partitions), replication)
        .set("max.message.bytes", &max_bytes)
        .set("retention.ms", &retention)
        .set("cleanup.policy", "delete")
        .set("unclean.leader.election.enable", "false");
    if options.replication >= SAFE_REPLICATION {
        new = new.set("min.insync.replicas", "2");
    }
    let admin = admin(settings)?;
    for made in admin.create_topics([&new], &patience(settings)).await? {
        match made {
            Ok(name) => tracing::info!(topic = name, partitions = options.partitions, "made the topic"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code)),
        }
    }
    Ok(())
}

/// Has the broker forget a group, unless it has never heard of it.
pub(super) async fn delete_group(settings: &Settings, group: &str) -> KafkaResult<()> {
    let (admin, group) = (admin(settings)?, settings.group_id(group));
    for deleted in admin.delete_groups(&[&group], &patience(settings)).await? {
        match deleted {
            Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code)),
        }
    }
    Ok(())
}

/// What the topic promises, as it is configured; what this user may not see is taken to be as it is when we make it.
pub(super) async fn facts(settings: &Settings) -> TopicFacts {
    match describe(settings).await {
        Ok(Some(config)) => read(settings, &config),
        Ok(None) => unknown(settings),
        Err(error) => {
            tracing::warn!(topic = settings.topic(), %error, "the topic's configuration cannot be read: taken to be as it should");
            unknown(settings)
        }
    }
}

fn unknown(settings: &Settings) -> TopicFacts {
    TopicFacts { durability: Durability::ProcessCrash, max_payload: settings.options.max_payload }
}

async fn describe(settings: &Settings) -> KafkaResult<Option<ConfigResource>> {
    let (admin, topic) = (admin(settings)?, settings.topic());
    let described = admin.describe_configs([&ResourceSpecifier::Topic(&topic)], &patience(settings)).await?;
    described.into_iter().next().transpose().map_err(KafkaError::AdminOp)
}

fn read(settings: &Settings, config: &ConfigResource) -> TopicFacts {
    let topic = settings.topic();
    let value = |name: &str| config.get(name).and_then(|entry| entry.value.as_deref());
    let number = |name: &str| value(name).and_then(|value| value.parse::<u64>().ok());
    let largest = number("max.message.bytes").and_then(|most| usize::try_from(most).ok());
    let fits = largest.map_or(settings.options.max_payload, |most| most.saturating_sub(ENVELOPE).max(most / 2));
    if fits < settings.options.max_payload {
        tracing::warn!(topic, max_payload = fits, "the topic's max.message.bytes bounds the payload");
    }
    if value("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        tracing::warn!(topic, "cleanup.policy is compact: of each key only the newest event is kept; set it to delete");
    }
    if value("unclean.leader.election.enable") == Some("true") {
        tracing::warn!(topic, "unclean.leader.election.enable is true: acknowledged events may be lost with a leader");
    }
    if settings.options.replication > 1 && number("min.insync.replicas").is_some_and(|least| least < 2) {
        tracing::warn!(topic, "min.insync.replicas is 1: an acknowledged event may be on one broker only; set it to 2");
    }
    // Otherwise a broker leaves it to its system when what it has written reaches the disk.
    let synced = number("flush.messages") == Some(1);
    let durability = if synced { Durability::PowerLoss } else { Durability::ProcessCrash };
    TopicFacts { durability, max_payload: fits.min(settings.options.max_payload) }
}
