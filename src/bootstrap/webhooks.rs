//! Webhooks, from their configuration.

use std::sync::Arc;

use activelog_application::{
    activity::ports::Repositories,
    delivery::{Router, RouterError, Routes},
    orchestrator::Orchestrator,
    webhook::{
        WebhookOptions, Webhooks,
        handlers::{UnlessNoneLayer, WebhookDeliveryHandler, register, register_delivery},
    },
};
use activelog_domain::webhook::Reach;
use activelog_infrastructure::webhook::{HttpWebhookSender, SystemSecretSource, WebhookSenderOptions};
use anyhow::Context;

use super::{Application, Storage};
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

/// The handler that asks for deliveries.
pub(super) fn fan_out(storage: &Storage, router: Router<dyn Repositories>) -> Result<Routes, RouterError> {
    Ok(register(router).build()?.within(&UnlessNoneLayer::new(storage.webhooks.clone())))
}

/// The handler that makes deliveries. It waits for receivers, so it needs a retrier of its own.
pub(super) fn deliveries(
    config: &WebhooksConfig,
    application: &Application,
    router: Router<dyn Repositories>,
) -> anyhow::Result<Routes> {
    let options = WebhookSenderOptions { timeout: config.timeout, reach: reach(config) };
    let sender = HttpWebhookSender::new(options).context("TLS for webhooks cannot be set up")?;
    let handler = WebhookDeliveryHandler::new(
        application.storage.webhooks.clone(),
        Arc::new(sender),
        application.clock.clone(),
        config.disable_after,
    );
    Ok(register_delivery(router, handler).build()?)
}
