use activelog_application::{
    ports::StorageError,
    webhook::{DisabledReason, Webhook, ports::WebhookRepository},
};
use activelog_domain::{user::UserId, webhook::SigningSecret};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{AssertSqlSafe, postgres::PgRow};
use uuid::Uuid;

use super::{rows::Columns, session::Session};
use crate::persistence::webhook::{COLUMNS, StoredWebhook, patterns};

/// The first key of the advisory locks that serialise registrations of one user's webhooks.
const USER_LOCKS: i32 = 0x7765_6268;

/// Webhooks on PostgreSQL.
pub(super) struct PgWebhookRepository<'u>(pub(super) &'u mut Session);

/// The webhook in a row of [`COLUMNS`].
pub(super) fn webhook(row: &PgRow, operation: &'static str) -> Result<Webhook, StorageError> {
    let mut columns = Columns::of(row, operation);
    let stored = StoredWebhook {
        id: columns.take()?,
        user_id: columns.take()?,
        url: columns.take()?,
        events: columns.take()?,
        description: columns.take()?,
        created_at: columns.instant()?,
        disabled_at: columns.instant_or_null()?,
        disabled_reason: columns.take()?,
        failures: columns.unsigned()?,
        first_failed_at: columns.instant_or_null()?,
        last_failed_at: columns.instant_or_null()?,
        last_failure: columns.take()?,
    };
    columns.checked(stored.try_into())
}

#[async_trait]
impl WebhookRepository for PgWebhookRepository<'_> {
    async fn lock_and_count(&mut self, user: UserId) -> Result<u32, StorageError> {
        const OPERATION: &str = "count webhooks";
        // Two users with the same hash wait for each other and come to no harm. Two statements: the second sees what those who had the
        // lock before have committed.
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2::text))").bind(USER_LOCKS).bind(user.0);
        self.0.execute("lock webhooks", lock).await?;
        let count = sqlx::query("SELECT count(*) FROM webhooks WHERE user_id = $1").bind(user.0);
        let row = self.0.one(OPERATION, count).await?;
        Ok(u32::try_from(Columns::of(&row, OPERATION).unsigned()?).unwrap_or(u32::MAX))
    }

    async fn insert(&mut self, webhook: &Webhook, secret: &SigningSecret) -> Result<(), StorageError> {
        let insert = sqlx::query(
            "INSERT INTO webhooks (id, user_id, url, events, description, created_at, secret) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        );
        let insert = insert
            .bind(webhook.id)
            .bind(webhook.user_id.0)
            .bind(webhook.url.expose())
            .bind(patterns(webhook))
            .bind(webhook.description.as_ref().map(|text| text.as_str()))
            .bind(webhook.created_at.to_sqlx())
            .bind(secret.expose_bytes());
        self.0.execute("insert webhook", insert).await.map(|_| ())
    }

    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Webhook>, StorageError> {
        const OPERATION: &str = "find webhook for update";
        // Safe: made of constants.
        let query = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} FROM webhooks WHERE id = $1 FOR UPDATE")));
        self.0.row(OPERATION, query.bind(id)).await?.map(|row| webhook(&row, OPERATION)).transpose()
    }

    async fn delete(&mut self, id: Uuid) -> Result<(), StorageError> {
        let delete = sqlx::query("DELETE FROM webhooks WHERE id = $1").bind(id);
        self.0.execute("delete webhook", delete).await.map(|_| ())
    }

    async fn enable(&mut self, id: Uuid) -> Result<(), StorageError> {
        let update = sqlx::query(
            "UPDATE webhooks SET disabled_at = NULL, disabled_reason = NULL, failures = 0, first_failed_at = NULL, \
             last_failed_at = NULL, last_failure = NULL WHERE id = $1",
        );
        self.0.execute("enable webhook", update.bind(id)).await.map(|_| ())
    }

    async fn disable(&mut self, id: Uuid, at: Timestamp, reason: DisabledReason) -> Result<(), StorageError> {
        let update = sqlx::query(
            "UPDATE webhooks SET disabled_at = $2, disabled_reason = $3 WHERE id = $1 AND disabled_at IS NULL",
        );
        let update = update.bind(id).bind(at.to_sqlx()).bind(reason.as_str());
        self.0.execute("disable webhook", update).await.map(|_| ())
    }

    async fn forget_trouble(&mut self, id: Uuid) -> Result<(), StorageError> {
        let update = sqlx::query(
            "UPDATE webhooks SET failures = 0, first_failed_at = NULL, last_failed_at = NULL, last_failure = NULL WHERE id = $1",
        );
        self.0.execute("forget trouble of webhook", update.bind(id)).await.map(|_| ())
    }

    async fn replace_secret(
        &mut self,
        id: Uuid,
        secret: &SigningSecret,
        overlap_until: Timestamp,
    ) -> Result<(), StorageError> {
        let update =
            sqlx::query("UPDATE webhooks SET previous_secret = secret, previous_until = $2, secret = $3 WHERE id = $1");
        let update = update.bind(id).bind(overlap_until.to_sqlx()).bind(secret.expose_bytes());
        self.0.execute("replace secret of webhook", update).await.map(|_| ())
    }

    async fn enabled(&mut self, user: UserId) -> Result<Vec<Webhook>, StorageError> {
        const OPERATION: &str = "list enabled webhooks";
        // Safe: made of constants. The order is that in which the rows are locked.
        let query = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM webhooks WHERE user_id = $1 AND disabled_at IS NULL ORDER BY id FOR UPDATE"
        )));
        let rows = self.0.rows(OPERATION, query.bind(user.0)).await?;
        rows.iter().map(|row| webhook(row, OPERATION)).collect()
    }

    async fn next_delivery(&mut self, id: Uuid) -> Result<Option<u64>, StorageError> {
        const OPERATION: &str = "count delivery of webhook";
        let update =
            sqlx::query("UPDATE webhooks SET deliveries = deliveries + 1 WHERE id = $1 RETURNING deliveries").bind(id);
        let row = self.0.row(OPERATION, update).await?;
        row.map(|row| Columns::of(&row, OPERATION).unsigned()).transpose()
    }
}
