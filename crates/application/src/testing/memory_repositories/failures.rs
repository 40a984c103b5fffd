use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::factory::Shared;
use crate::{
    ports::{StorageError, StorageErrorKind},
    testing::memory_failures::{Change, Hold, Reading, TableAccess},
};

/// How long a change waits for the unit of work that is open.
const PATIENCE: Duration = Duration::from_secs(30);

#[async_trait]
impl TableAccess for Shared {
    async fn change(&self, operation: &'static str, _: &[Hold], change: Change<'_>) -> Result<(), StorageError> {
        let turn = tokio::time::timeout(PATIENCE, self.writer.lock()).await;
        let _turn = turn.map_err(|elapsed| StorageError::new(StorageErrorKind::Unavailable, operation, elapsed))?;
        self.check(operation)?;
        let mut committed = self.committed.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut Arc::make_mut(&mut *committed).failures);
        Ok(())
    }

    async fn read(&self, operation: &'static str, reading: Reading<'_>) -> Result<(), StorageError> {
        self.check(operation)?;
        reading(&self.committed().failures);
        Ok(())
    }
}
