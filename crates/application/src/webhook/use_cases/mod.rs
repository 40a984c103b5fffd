//! The operations on webhooks, one file each.

mod chosen;
mod delete;
mod enable;
mod register;
mod rotate_secret;

pub use chosen::ChosenWebhook;
pub use delete::DeleteWebhook;
pub use enable::EnableWebhook;
pub use register::{NewWebhook, RegisterWebhook};
pub use rotate_secret::RotateSecret;
