//! Webhooks: other programs are told of a user's events, by requests that they can verify.
//!
//! - [`Webhooks`]: what front ends may ask: register, delete, enable, rotate the secret.
//! - [`handlers`]: one finds the webhooks that want an event and asks for a delivery to each; the other delivers. Deliveries of one
//!   webhook are events of an aggregate of its own, so that they are made in order and a receiver that fails holds up nobody else.
//! - [`ports`]: what this needs from storage, from the network, and of randomness.
//!
//! Requests follow the [Standard Webhooks](https://www.standardwebhooks.com) specification. Their id is the id of the event, so that a
//! receiver who gets one twice knows it.

mod error;
mod events;
pub mod handlers;
mod options;
pub mod ports;
mod stored_webhook;
pub mod use_cases;
mod webhooks;

pub use error::WebhookError;
pub use events::WebhookEvents;
pub use options::WebhookOptions;
pub use stored_webhook::{DisabledReason, Trouble, Webhook, WebhookState};
pub use webhooks::Webhooks;
