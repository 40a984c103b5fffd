//! Webhooks, from their configuration.

use std::sync::Arc;

use activelog_application::{
    activity::ports::Repositories,
    delivery::{FailureMachine, ParkFirstLayer, Retrier, RetrierOptions, Router, Routes},
    orchestrator::Orchestrator,
    webhook::{
        WebhookOptions, Webhooks,
        handlers::{WebhookDeliveryHandler, register_delivery},
    },
};
use activelog_domain::webhook::Reach;
use activelog_infrastructure::webhook::{HttpWebhookSender, SystemSecretSource, WebhookSenderOptions};
use anyhow::Context;

use super::Application;
use crate::config::WebhooksConfig;

fn reach(config: &WebhooksConfig) -> Reach {
    if config.allow_private_networks { Reach::Anywhere } else { Reach::Public }
}

/// What front ends may ask.
pub(super) fn webhooks(
    config: &WebhooksConfig,
    orchestrator: Orchestrator<dyn Repositories>,
) -> anyhow::Result<Webhooks> {
    let options = WebhookOptions { enabled: config.enabled, reach: reach(config), disable_after: config.disable_after };
    Ok(Webhooks::new(orchestrator, Arc::new(SystemSecretSource), options)?)
}

/// Adds the handler that makes deliveries to what is consumed, and a retrier of its own that has it do so: receivers decide how long that
/// takes, and nothing else is to wait for them.
pub(super) fn add_deliveries(
    config: &WebhooksConfig,
    application: &Application,
    router: Router<dyn Repositories>,
    machine: &FailureMachine,
    retrier: RetrierOptions,
    consumed: &Routes,
) -> anyhow::Result<(Routes, Retrier)> {
    let options = WebhookSenderOptions { timeout: config.timeout, reach: reach(config) };
    let sender = HttpWebhookSender::new(options).context("TLS for webhooks cannot be set up")?;
    let handler = WebhookDeliveryHandler::new(
        application.storage.webhooks.clone(),
        Arc::new(sender),
        application.clock.clone(),
        config.disable_after,
    );
    let deliveries = register_delivery(router, handler).build()?;
    let lanes = usize::try_from(config.concurrency).unwrap_or(usize::MAX);
    let retrier = Retrier::new(machine.clone(), deliveries.clone(), RetrierOptions { lanes, ..retrier });
    let consumed = consumed.and(&deliveries.within(&ParkFirstLayer).within(&machine.layer()))?;
    Ok((consumed, retrier))
}
