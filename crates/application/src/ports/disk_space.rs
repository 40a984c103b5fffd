use async_trait::async_trait;

use super::StorageError;

/// Tells how much room is left where data is kept, for storage that knows.
#[async_trait]
pub trait DiskSpace: Send + Sync + 'static {
    /// How many bytes this process may still write there.
    async fn available(&self) -> Result<u64, StorageError>;
}
