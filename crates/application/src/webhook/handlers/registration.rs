use std::sync::Arc;

use activelog_domain::{
    activity::{ActivityCreated, ActivityDeleted, ActivityUpdated},
    webhook::WebhookDeliveryRequested,
};

use super::{WebhookDeliveryHandler, WebhooksHandler};
use crate::{activity::ports::Repositories, delivery::Router};

/// Registers the handler that asks for deliveries. Put an [`UnlessNoneLayer`](super::UnlessNoneLayer) around its routes.
#[must_use]
pub fn register(router: Router<dyn Repositories>) -> Router<dyn Repositories> {
    let webhooks = Arc::new(WebhooksHandler);
    router
        .on::<ActivityCreated>(webhooks.clone())
        .on::<ActivityUpdated>(webhooks.clone())
        .on::<ActivityDeleted>(webhooks)
}

/// Registers the handler that makes deliveries. It waits for receivers: give it routes and a retrier of its own (see
/// [`ParkFirstLayer`](crate::delivery::ParkFirstLayer)).
#[must_use]
pub fn register_delivery(
    router: Router<dyn Repositories>,
    delivery: WebhookDeliveryHandler,
) -> Router<dyn Repositories> {
    router.on_effect::<WebhookDeliveryRequested>(Arc::new(delivery))
}
