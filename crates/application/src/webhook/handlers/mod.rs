//! What has webhooks told of events, one handler per file.

mod delivery;
mod fan_out;
#[cfg(test)]
pub(in crate::webhook) mod fixture;
mod registration;
mod unless_none;

pub use delivery::{DeliveryEffect, WEBHOOK_DISABLED, WebhookDeliveryHandler};
pub use fan_out::WebhooksHandler;
pub use registration::{register, register_delivery};
pub use unless_none::UnlessNoneLayer;
