use activelog_domain::{user::UserId, webhook::SigningSecret};
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    ports::StorageError,
    webhook::{DisabledReason, Webhook},
};

/// Webhooks in a unit of work. What names a webhook that is not there has no effect.
#[async_trait]
pub trait WebhookRepository: Send {
    /// Keeps other transactions from inserting webhooks of this user until this one ends. Answers how many they have.
    async fn lock_and_count(&mut self, user: UserId) -> Result<u32, StorageError>;

    /// Stores a new webhook, enabled and without trouble whatever `webhook` says. Its id being there already is a `Constraint` error.
    async fn insert(&mut self, webhook: &Webhook, secret: &SigningSecret) -> Result<(), StorageError>;

    /// The webhook, locked against other transactions until this one ends. `None` if there is none.
    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Webhook>, StorageError>;

    /// Deletes it.
    async fn delete(&mut self, id: Uuid) -> Result<(), StorageError>;

    /// Enables it and forgets its trouble.
    async fn enable(&mut self, id: Uuid) -> Result<(), StorageError>;

    /// Disables it. One that is disabled keeps its time and reason.
    async fn disable(&mut self, id: Uuid, at: Timestamp, reason: DisabledReason) -> Result<(), StorageError>;

    /// Forgets its trouble: a delivery went right.
    async fn forget_trouble(&mut self, id: Uuid) -> Result<(), StorageError>;

    /// Makes `secret` its secret. The one it had counts as well until `overlap_until`; one from before that no longer does.
    async fn replace_secret(
        &mut self,
        id: Uuid,
        secret: &SigningSecret,
        overlap_until: Timestamp,
    ) -> Result<(), StorageError>;

    /// The user's enabled webhooks by id, locked against other transactions until this one ends.
    async fn enabled(&mut self, user: UserId) -> Result<Vec<Webhook>, StorageError>;

    /// Counts a delivery: from 1, without gaps. `None` if the webhook is not there.
    async fn next_delivery(&mut self, id: Uuid) -> Result<Option<u64>, StorageError>;
}
