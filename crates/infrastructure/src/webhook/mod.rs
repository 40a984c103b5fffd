//! Requests to webhooks.
//!
//! What a user registers decides where this program connects to, so that place is checked as late as can be: names are looked up by a
//! resolver that leaves out what is not allowed, and nothing but its answers is connected to. There are no redirects and no proxies.

mod body;
mod resolver;
mod secret_source;
mod sender;
mod signature;
mod tls;

pub use secret_source::SystemSecretSource;
pub use sender::{HttpWebhookSender, WebhookSenderOptions};
