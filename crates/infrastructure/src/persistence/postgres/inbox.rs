use activelog_application::ports::{Inbox, StorageError};
use async_trait::async_trait;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::unit_of_work::PgUnitOfWork;

/// The inbox on PostgreSQL.
pub(super) struct PgInbox<'u>(pub(super) &'u mut PgUnitOfWork);

#[async_trait]
impl Inbox for PgInbox<'_> {
    async fn record(&mut self, handler: &str, event_id: Uuid) -> Result<bool, StorageError> {
        // The unique index makes the second of two transactions wait for the end of the first.
        let query =
            sqlx::query("INSERT INTO inbox (handler, event_id, taken_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING");
        let query = query.bind(handler).bind(event_id).bind(self.0.shared.clock.now().to_sqlx());
        Ok(self.0.session.execute("record in inbox", query).await? == 1)
    }
}
