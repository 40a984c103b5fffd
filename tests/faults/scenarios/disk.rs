//! The disk is full for a while.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{DRAIN, Setting};
use crate::{
    client::Habits,
    database::Database,
    schedule::Component,
    stage::{Cast, Stage},
    support::{PrivatePostgres, require_servers},
};

/// How long it stays full.
const FULL: Duration = Duration::from_secs(4);

/// A small file system in memory. Unmounted when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, megabytes: u32) -> Result<Self, String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let size = format!("size={megabytes}m,mode=777");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Self(at.to_owned())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Fills it to the last byte. Answers what to remove.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = File::create(&path).expect("there is room for a name");
        for block in [1 << 16, 1 << 12, 1_usize] {
            while file.write_all(&vec![0; block]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open on it must not keep it in the way.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// Writes fail while the disk is full, and everything goes on afterwards.
pub(super) async fn full(setting: Setting) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("activelog-faults-").tempdir().map_err(|error| error.to_string())?;
    let mount = folder.path().join("data");
    let disk = match SmallDisk::mount(&mount, if setting.postgres { 256 } else { 48 }) {
        Ok(disk) => disk,
        Err(why) if require_servers() => return Err(format!("no tmpfs can be mounted: {why}")),
        Err(why) => {
            super::left_out(&format!("the_disk_is_full: no tmpfs can be mounted, which takes root: {}", why.trim()));
            return Ok(());
        }
    };
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
