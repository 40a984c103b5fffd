use activelog_application::ports::{DiskSpace, StorageError, StorageErrorKind};
use async_trait::async_trait;

use super::SqliteDatabase;

const OPERATION: &str = "measure disk space";

#[async_trait]
impl DiskSpace for SqliteDatabase {
    async fn available(&self) -> Result<u64, StorageError> {
        let path = self.inner.options.path.clone();
        // A file system over a network may take its time.
        let stats = tokio::task::spawn_blocking(move || fs4::statvfs(path)).await;
        let stats = stats.map_err(|error| StorageError::new(StorageErrorKind::Other, OPERATION, error))?;
        let stats = stats.map_err(|error| StorageError::new(StorageErrorKind::Unavailable, OPERATION, error))?;
        Ok(stats.available_space())
    }
}
