use std::sync::Arc;

use activelog_domain::{
    activity::{ActivityCreated, ActivityDeleted, ActivityUpdated},
    webhook::WebhookDeliveryRequested,
};

use super::{WebhookDeliveryHandler, WebhooksHandler};
use crate::{activity::ports::Repositories, delivery::Router};

/// Registers the handlers of webhooks.
#[must_use]
pub fn register(router: Router<dyn Repositories>, delivery: WebhookDeliveryHandler) -> Router<dyn Repositories> {
    let webhooks = Arc::new(WebhooksHandler);
    router
        .on::<ActivityCreated>(webhooks.clone())
        .on::<ActivityUpdated>(webhooks.clone())
        .on::<ActivityDeleted>(webhooks)
        .on_effect::<WebhookDeliveryRequested>(Arc::new(delivery))
}
