//! What webhooks need from outside.

mod repository;
mod secret_source;
mod sender;
mod store;

pub use repository::WebhookRepository;
pub use secret_source::{NoRandomness, SecretSource};
pub use sender::{SendError, WebhookRequest, WebhookSender};
pub use store::{WebhookStore, WebhookTarget};
