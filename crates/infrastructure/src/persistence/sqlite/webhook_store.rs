use activelog_application::{
    ports::StorageError,
    webhook::{
        Webhook,
        ports::{WebhookStore, WebhookTarget},
    },
};
use activelog_domain::{user::UserId, webhook::WebhookUrl};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{SqliteDatabase, rows, statement::Statement, webhook_repository::webhook};
use crate::persistence::webhook::{COLUMNS, kept, secrets};

fn target(row: &SqliteRow) -> Result<WebhookTarget, sqlx::Error> {
    let url = WebhookUrl::stored(row.try_get("url")?).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let secrets = secrets(row.try_get("secret")?, row.try_get("previous")?).map_err(sqlx::Error::Decode)?;
    Ok(WebhookTarget { url, secrets, in_trouble: row.try_get("in_trouble")? })
}

#[async_trait]
impl WebhookStore for SqliteDatabase {
    async fn webhooks(&self, user: UserId) -> Result<Vec<Webhook>, StorageError> {
        let sql = format!("SELECT {COLUMNS} FROM webhooks WHERE user_id = ? ORDER BY id");
        self.fetch(Statement::composed("list webhooks", sql).bind(user.0), webhook).await
    }

    async fn webhook(&self, user: UserId, id: Uuid) -> Result<Option<Webhook>, StorageError> {
        let sql = format!("SELECT {COLUMNS} FROM webhooks WHERE id = ? AND user_id = ?");
        self.fetch_optional(Statement::composed("read webhook", sql).bind(id).bind(user.0), webhook).await
    }

    async fn any_enabled(&self) -> Result<bool, StorageError> {
        let select =
            Statement::new("look for enabled webhooks", "SELECT 1 FROM webhooks WHERE disabled_at IS NULL LIMIT 1");
        Ok(self.fetch_optional(select, |_| Ok(())).await?.is_some())
    }

    async fn target(&self, id: Uuid, now: Timestamp) -> Result<Option<WebhookTarget>, StorageError> {
        let select = Statement::new(
            "find target of webhook",
            "SELECT url, secret, CASE WHEN previous_until > ? THEN previous_secret END AS previous, failures > 0 AS in_trouble \
             FROM webhooks WHERE id = ? AND disabled_at IS NULL",
        );
        self.fetch_optional(select.bind_time(now).bind(id), target).await
    }

    async fn note_failure(&self, id: Uuid, at: Timestamp, reason: &str) -> Result<Option<Timestamp>, StorageError> {
        let update = Statement::new(
            "note failure of webhook",
            "UPDATE webhooks SET failures = failures + 1, first_failed_at = coalesce(first_failed_at, $1), \
             last_failed_at = $1, last_failure = $2 WHERE id = $3 AND disabled_at IS NULL RETURNING first_failed_at",
        );
        let update = update.bind_time(at).bind(kept(reason)).bind(id);
        let mut unit = self.inner.writer.begin_now().await?;
        let since = unit.fetch_optional(update, |row| rows::time(row, "first_failed_at")).await?;
        unit.finish().await?;
        Ok(since)
    }
}
