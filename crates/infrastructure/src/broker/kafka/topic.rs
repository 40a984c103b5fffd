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
    error::{is_hidden, is_missing},
    off_thread::OffThread,
};

/// The replicas that make a majority worth waiting for.
const SAFE_REPLICATION: u16 = 3;

/// Asks the brokers for what they are set to, and makes topics.
pub(super) type Admin = OffThread<AdminClient<LogContext>>;

/// What the topic's configuration says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TopicFacts {
    pub(super) durability: Durability,
    pub(super) max_payload: usize,
}

pub(super) fn admin(settings: &Settings) -> KafkaResult<Admin> {
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
pub(super) async fn facts(settings: &Settings) -> KafkaResult<TopicFacts> {
    match describe(&admin(settings)?, settings).await {
        Ok(Some(config)) => {
            Ok(TopicFacts { durability: durability(&config), max_payload: max_payload(settings, &config) })
        }
        Err(error) if !is_hidden(&error) => Err(error),
        // The probe tells why.
        _ => Ok(TopicFacts { durability: Durability::ProcessCrash, max_payload: settings.options.max_payload }),
    }
}

/// How the topic is configured; `None` when it is not there.
pub(super) async fn describe(admin: &Admin, settings: &Settings) -> KafkaResult<Option<ConfigResource>> {
    let topic = settings.topic();
    let described = admin.describe_configs([&ResourceSpecifier::Topic(&topic)], &patience(settings)).await?;
    match described.into_iter().next() {
        Some(Err(code)) if is_missing(code) => Ok(None),
        described => described.transpose().map_err(KafkaError::AdminOp),
    }
}

/// A setting of the topic.
pub(super) fn value<'a>(config: &'a ConfigResource, name: &str) -> Option<&'a str> {
    config.get(name).and_then(|entry| entry.value.as_deref())
}

/// A setting of the topic that is a number.
pub(super) fn number(config: &ConfigResource, name: &str) -> Option<u64> {
    value(config, name).and_then(|value| value.parse().ok())
}

/// Unless it syncs each message, a broker leaves it to its system when what it has written reaches the disk.
pub(super) fn durability(config: &ConfigResource) -> Durability {
    if number(config, "flush.messages") == Some(1) { Durability::PowerLoss } else { Durability::ProcessCrash }
}

/// The largest data that the topic takes, and no more than we send.
pub(super) fn max_payload(settings: &Settings, config: &ConfigResource) -> usize {
    let largest = number(config, "max.message.bytes").and_then(|most| usize::try_from(most).ok());
    let fits = largest.map_or(settings.options.max_payload, |most| most.saturating_sub(ENVELOPE).max(most / 2));
    fits.min(settings.options.max_payload)
}
