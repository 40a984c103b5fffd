use activelog_application::ports::{Clock, Inbox, StorageError};
use async_trait::async_trait;
use uuid::Uuid;

use super::{statement::Statement, write_unit::WriteUnit};

/// The inbox in a unit of work.
pub(super) struct SqliteInbox<'a> {
    pub(super) unit: &'a mut WriteUnit,
    pub(super) clock: &'a dyn Clock,
}

#[async_trait]
impl Inbox for SqliteInbox<'_> {
    async fn record(&mut self, handler: &str, event_id: Uuid) -> Result<bool, StorageError> {
        let insert = Statement::new(
            "record in inbox",
            "INSERT INTO inbox (handler, event_id, taken_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(handler)
        .bind(event_id)
        .bind_time(self.clock.now());
        Ok(self.unit.execute(insert).await? == 1)
    }
}
