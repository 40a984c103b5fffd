//! Webhooks: addresses of other programs that are told of events.

mod address;
mod description;
mod events;
mod secret;
mod url;

pub use self::url::WebhookUrl;
pub use address::{Reach, is_public};
pub use description::WebhookDescription;
pub use events::WebhookDeliveryRequested;
pub use secret::SigningSecret;
