//! From configuration to what the parts take.

use activelog_application::{
    delivery::{ConsumerOptions, FailurePolicy},
    relay::RelayOptions,
};
use activelog_interfaces::http::HttpOptions;

use crate::config::{RelayConfig, ServerConfig, WorkerConfig};

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

pub(super) fn failure_policy(config: &WorkerConfig) -> FailurePolicy {
    FailurePolicy {
        quick_attempts: config.quick_attempts,
        first_pause: config.first_pause,
        longest_pause: config.longest_pause,
    }
}

pub(super) fn consumer(config: &WorkerConfig) -> ConsumerOptions {
    ConsumerOptions { memory: config.memory.as_usize(), drain: config.drain }
}
