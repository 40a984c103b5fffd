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
use jiff_sqlx::ToSqlx;
use sqlx::{AssertSqlSafe, postgres::PgRow};
use uuid::Uuid;

use super::{database::PgDatabase, rows::Columns, webhook_repository::webhook};
use crate::persistence::webhook::{COLUMNS, kept, secrets};

fn target(row: &PgRow, operation: &'static str) -> Result<WebhookTarget, StorageError> {
    let mut columns = Columns::of(row, operation);
    let url: &str = columns.take()?;
    let url = columns.checked(WebhookUrl::stored(url))?;
    let (current, previous) = (columns.take()?, columns.take()?);
    Ok(WebhookTarget { url, secrets: columns.checked(secrets(current, previous))?, in_trouble: columns.take()? })
}

#[async_trait]
impl WebhookStore for PgDatabase {
    async fn webhooks(&self, user: UserId) -> Result<Vec<Webhook>, StorageError> {
        const OPERATION: &str = "list webhooks";
        // Safe: made of constants.
        let query =
            sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} FROM webhooks WHERE user_id = $1 ORDER BY id")));
        let rows = self.reader(OPERATION).await?.rows(OPERATION, query.bind(user.0)).await?;
        rows.iter().map(|row| webhook(row, OPERATION)).collect()
    }

    async fn webhook(&self, user: UserId, id: Uuid) -> Result<Option<Webhook>, StorageError> {
        const OPERATION: &str = "read webhook";
        // Safe: made of constants.
        let query =
            sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} FROM webhooks WHERE id = $1 AND user_id = $2")));
        let row = self.reader(OPERATION).await?.row(OPERATION, query.bind(id).bind(user.0)).await?;
        row.map(|row| webhook(&row, OPERATION)).transpose()
    }

    async fn any_enabled(&self) -> Result<bool, StorageError> {
        const OPERATION: &str = "look for enabled webhooks";
        let query = sqlx::query("SELECT 1 FROM webhooks WHERE disabled_at IS NULL LIMIT 1");
        Ok(self.reader(OPERATION).await?.row(OPERATION, query).await?.is_some())
    }

    async fn target(&self, id: Uuid, now: Timestamp) -> Result<Option<WebhookTarget>, StorageError> {
        const OPERATION: &str = "find target of webhook";
        let query = sqlx::query(
            "SELECT url, secret, CASE WHEN previous_until > $2 THEN previous_secret END, failures > 0 \
             FROM webhooks WHERE id = $1 AND disabled_at IS NULL",
        );
        let row = self.system(OPERATION).await?.row(OPERATION, query.bind(id).bind(now.to_sqlx())).await?;
        row.map(|row| target(&row, OPERATION)).transpose()
    }

    async fn note_failure(&self, id: Uuid, at: Timestamp, reason: &str) -> Result<Option<Timestamp>, StorageError> {
        const OPERATION: &str = "note failure of webhook";
        let update = sqlx::query(
            "UPDATE webhooks SET failures = failures + 1, first_failed_at = coalesce(first_failed_at, $2), \
             last_failed_at = $2, last_failure = $3 WHERE id = $1 AND disabled_at IS NULL RETURNING first_failed_at",
        );
        let update = update.bind(id).bind(at.to_sqlx()).bind(kept(reason).to_owned());
        let row = self.system(OPERATION).await?.row(OPERATION, update).await?;
        row.map(|row| Columns::of(&row, OPERATION).instant()).transpose()
    }
}
