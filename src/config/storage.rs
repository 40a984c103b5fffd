use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{DatabaseUrl, reader::Reader};

/// `[storage]`: where data is kept. Paths are relative to the working folder.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// The folder of everything that is kept in files.
    pub data_dir: PathBuf,
    /// The database; `activelog.db` in `data_dir` when none is named.
    pub database_url: DatabaseUrl,
    /// PostgreSQL: the most connections for units of work.
    pub max_connections: u32,
    /// SQLite: the most connections for reading.
    pub readers: u32,
    /// How long to wait for a connection, or for a turn to write.
    pub acquire_timeout: Duration,
}

impl StorageConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("storage");
        let data_dir = section.get("data_dir", Path::new(".").join("activelog-data"));
        Self {
            database_url: section.get("database_url", DatabaseUrl::in_folder(&data_dir)),
            data_dir,
            max_connections: section.number("max_connections", 16, 1, 10_000),
            readers: section.number("readers", 4, 1, 1_000),
            acquire_timeout: section.duration("acquire_timeout", Duration::from_secs(3), 1, 600_000),
        }
    }
}
