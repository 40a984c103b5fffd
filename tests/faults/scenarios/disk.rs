//! The database's disk is full for a while.

use std::{fs, time::Duration};

use super::{DRAIN, Setting};
use crate::{
    cast::Cast, client::Habits, database::Database, schedule::Component, small_disk::SmallDisk, stage::Stage,
    support::PrivatePostgres,
};

/// How long it stays full.
const FULL: Duration = Duration::from_secs(4);

/// Writes fail while the disk is full, and everything goes on afterwards.
pub(super) async fn full(setting: Setting) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("activelog-faults-").tempdir().map_err(|error| error.to_string())?;
    let mount = folder.path().join("data");
    let megabytes = if setting.postgres { 256 } else { 48 };
    let Some(disk) = SmallDisk::mount(&mount, megabytes, "the_disk_is_full")? else { return Ok(()) };
    let database = if setting.postgres {
        Database::on(PrivatePostgres::start_in(&mount).map_err(|missing| missing.to_string())?)
    } else {
        Database::sqlite(folder.path())
    };
    let cast = Cast::of(&[(Component::Api, 1), (Component::Relay, 1), (Component::Worker, 1)]);
    let stage = Stage::set(folder, database, &cast).await?;
    let clients = stage.clients(setting.seed, &Habits::default());
    for _ in 0..setting.times(1) {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let ballast = disk.fill();
        tokio::time::sleep(FULL).await;
        fs::remove_file(ballast).map_err(|error| error.to_string())?;
        stage.database.heal().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let outcome = stage.conclude(clients, DRAIN).await.map(drop);
    drop(disk);
    outcome
}
