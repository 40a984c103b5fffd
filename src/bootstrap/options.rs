//! From configuration to what the parts take.

use activelog_application::{
    backpressure::PressureBounds,
    delivery::{ConsumerOptions, Policies, RetrierOptions},
    relay::{RelayOptions, SchedulerOptions},
    retention::{KeeperOptions, RetentionPolicy},
};
use activelog_interfaces::http::HttpOptions;

use crate::config::{
    BackpressureConfig, DatabaseUrl, RelayConfig, RetentionConfig, ServerConfig, StorageConfig, WebhooksConfig,
    WorkerConfig,
};

pub(super) fn http(config: &ServerConfig) -> HttpOptions {
    HttpOptions {
        body_limit: config.body_limit.as_usize(),
        max_in_flight: config.max_in_flight as usize,
        rate_limit_per_second: config.rate_limit_per_second,
        request_timeout: config.request_timeout,
        ..HttpOptions::default()
    }
}

pub(super) fn relay(config: &RelayConfig) -> RelayOptions {
    RelayOptions { batch: config.batch, poll: config.poll_interval, lease_ttl: config.lease_ttl }
}

/// Beside the relay, and as quick as it.
pub(super) fn scheduler(config: &RelayConfig) -> SchedulerOptions {
    SchedulerOptions { batch: config.batch, poll: config.poll_interval, lease_ttl: config.lease_ttl }
}

pub(super) fn pressure(config: &BackpressureConfig) -> PressureBounds {
    PressureBounds {
        max_outbox_events: config.max_outbox_events,
        max_outbox_age: config.max_outbox_age,
        max_group_lag: config.max_group_lag.into(),
        min_free_disk: config.min_free_disk.bytes(),
    }
}

pub(super) fn retention(config: &RetentionConfig) -> RetentionPolicy {
    RetentionPolicy {
        inbox: config.inbox.duration(),
        journal: config.journal.duration(),
        journal_events: config.journal_events.map(u64::from),
        idempotency_keys: config.idempotency_keys.duration(),
        dead_letters: config.dead_letters.duration(),
        crash_marks: config.crash_marks.duration(),
    }
}

pub(super) fn keeper(config: &RetentionConfig) -> KeeperOptions {
    KeeperOptions { interval: config.interval, batch: config.batch, pause: config.pause }
}

pub(super) fn failure_policies(config: &WorkerConfig) -> Policies {
    let policies = config.policies.iter();
    policies.fold(Policies::new(config.policy), |all, (handler, policy)| all.with(*handler, *policy))
}

pub(super) fn retrier(config: &WorkerConfig) -> RetrierOptions {
    RetrierOptions { drain: config.drain, ..RetrierOptions::default() }
}

/// Each lane is a webhook that is being sent to.
pub(super) fn webhook_retrier(webhooks: &WebhooksConfig, worker: &WorkerConfig) -> RetrierOptions {
    RetrierOptions { lanes: webhooks.concurrency as usize, ..retrier(worker) }
}

pub(super) fn consumer(config: &WorkerConfig) -> ConsumerOptions {
    ConsumerOptions { memory: config.memory.as_usize(), drain: config.drain }
}

/// How many handlers run at once. On PostgreSQL at most half of the connections, so that requests in the same process find one.
pub(super) fn concurrency(worker: &WorkerConfig, storage: &StorageConfig) -> usize {
    let wanted = worker.concurrency as usize;
    match storage.database_url {
        DatabaseUrl::Sqlite { .. } => wanted,
        DatabaseUrl::Postgres { .. } => wanted.min(storage.max_connections as usize / 2).max(1),
    }
}
