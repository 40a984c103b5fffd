use activelog_application::{
    ports::{StorageError, StorageErrorKind},
    webhook::{DisabledReason, Webhook, ports::WebhookRepository},
};
use activelog_domain::{user::UserId, webhook::SigningSecret};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{rows, statement::Statement, write_unit::WriteUnit};
use crate::persistence::webhook::{COLUMNS, StoredWebhook, patterns};

/// Webhooks in a unit of work.
pub(super) struct SqliteWebhookRepository<'a> {
    pub(super) unit: &'a mut WriteUnit,
}

/// The webhook in a row of [`COLUMNS`].
pub(super) fn webhook(row: &SqliteRow) -> Result<Webhook, sqlx::Error> {
    let events = serde_json::from_str(row.try_get("events")?).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let stored = StoredWebhook {
        id: row.try_get("id")?,
        user_id: row.try_get("user_id")?,
        url: row.try_get("url")?,
        events,
        description: row.try_get("description")?,
        created_at: rows::time(row, "created_at")?,
        disabled_at: rows::optional_time(row, "disabled_at")?,
        disabled_reason: row.try_get("disabled_reason")?,
        failures: rows::unsigned(row, "failures")?,
        first_failed_at: rows::optional_time(row, "first_failed_at")?,
        last_failed_at: rows::optional_time(row, "last_failed_at")?,
        last_failure: row.try_get("last_failure")?,
    };
    stored.try_into().map_err(sqlx::Error::Decode)
}

#[async_trait]
impl WebhookRepository for SqliteWebhookRepository<'_> {
    async fn lock_and_count(&mut self, user: UserId) -> Result<u32, StorageError> {
        // There is one writer at a time.
        let count = Statement::new("count webhooks", "SELECT count(*) AS n FROM webhooks WHERE user_id = ?");
        let counted = self.unit.fetch_optional(count.bind(user.0), |row| row.try_get::<u32, _>("n")).await?;
        Ok(counted.unwrap_or_default())
    }

    async fn insert(&mut self, webhook: &Webhook, secret: &SigningSecret) -> Result<(), StorageError> {
        let operation = "insert webhook";
        let events = serde_json::to_string(&patterns(webhook))
            .map_err(|error| StorageError::new(StorageErrorKind::Other, operation, error))?;
        let insert = Statement::new(
            operation,
            "INSERT INTO webhooks (id, user_id, url, events, description, created_at, secret) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(webhook.id)
        .bind(webhook.user_id.0)
        .bind(webhook.url.expose())
        .bind(events)
        .bind(webhook.description.as_ref().map(|text| text.as_str()))
        .bind_time(webhook.created_at)
        .bind(secret.expose_bytes());
        self.unit.write(insert).await
    }

    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Webhook>, StorageError> {
        let sql = format!("SELECT {COLUMNS} FROM webhooks WHERE id = ?");
        self.unit.fetch_optional(Statement::composed("find webhook", sql).bind(id), webhook).await
    }

    async fn delete(&mut self, id: Uuid) -> Result<(), StorageError> {
        self.unit.write(Statement::new("delete webhook", "DELETE FROM webhooks WHERE id = ?").bind(id)).await
    }

    async fn enable(&mut self, id: Uuid) -> Result<(), StorageError> {
        let update = Statement::new(
            "enable webhook",
            "UPDATE webhooks SET disabled_at = NULL, disabled_reason = NULL, failures = 0, first_failed_at = NULL, \
             last_failed_at = NULL, last_failure = NULL WHERE id = ?",
        );
        self.unit.write(update.bind(id)).await
    }

    async fn disable(&mut self, id: Uuid, at: Timestamp, reason: DisabledReason) -> Result<(), StorageError> {
        let update = Statement::new(
            "disable webhook",
            "UPDATE webhooks SET disabled_at = ?, disabled_reason = ? WHERE id = ? AND disabled_at IS NULL",
        );
        self.unit.write(update.bind_time(at).bind(reason.as_str()).bind(id)).await
    }

    async fn forget_trouble(&mut self, id: Uuid) -> Result<(), StorageError> {
        let update = Statement::new(
            "forget trouble of webhook",
            "UPDATE webhooks SET failures = 0, first_failed_at = NULL, last_failed_at = NULL, last_failure = NULL WHERE id = ?",
        );
        self.unit.write(update.bind(id)).await
    }

    async fn replace_secret(
        &mut self,
        id: Uuid,
        secret: &SigningSecret,
        overlap_until: Timestamp,
    ) -> Result<(), StorageError> {
        let update = Statement::new(
            "replace secret of webhook",
            "UPDATE webhooks SET previous_secret = secret, previous_until = ?, secret = ? WHERE id = ?",
        );
        self.unit.write(update.bind_time(overlap_until).bind(secret.expose_bytes()).bind(id)).await
    }

    async fn enabled(&mut self, user: UserId) -> Result<Vec<Webhook>, StorageError> {
        let sql = format!("SELECT {COLUMNS} FROM webhooks WHERE user_id = ? AND disabled_at IS NULL ORDER BY id");
        self.unit.fetch_all(Statement::composed("list enabled webhooks", sql).bind(user.0), webhook).await
    }

    async fn next_delivery(&mut self, id: Uuid) -> Result<Option<u64>, StorageError> {
        let update = Statement::new(
            "count delivery of webhook",
            "UPDATE webhooks SET deliveries = deliveries + 1 WHERE id = ? RETURNING deliveries",
        );
        self.unit.fetch_optional(update.bind(id), |row| rows::unsigned(row, "deliveries")).await
    }
}
