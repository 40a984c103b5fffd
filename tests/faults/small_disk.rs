//! A disk that is soon full.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use nix::sys::statvfs::statvfs;

use crate::{scenarios::left_out, support::require_servers};

/// A small file system in memory. Unmounted when it is dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of so many megabytes. `None`, which is said, where nobody may mount anything and nobody insists on it.
    pub(crate) fn mount(at: &Path, megabytes: u32, scenario: &str) -> Result<Option<Self>, String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let size = format!("size={megabytes}m,mode=777");
        let why = match Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output() {
            Ok(output) if output.status.success() => return Ok(Some(Self(at.to_owned()))),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        if require_servers() {
            return Err(format!("no tmpfs can be mounted: {why}"));
        }
        left_out(&format!("{scenario}: no tmpfs can be mounted, which takes root: {}", why.trim()));
        Ok(None)
    }

    /// Fills it to the last byte. Answers what to remove.
    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = File::create(&path).expect("there is room for a name");
        for block in [1 << 16, 1 << 12, 1_usize] {
            while file.write_all(&vec![0; block]).is_ok() {}
        }
        path
    }

    /// Fills it until only so many megabytes are free. Answers what to remove.
    pub(crate) fn fill_but(&self, megabytes: u64) -> PathBuf {
        const MEGABYTE: usize = 1 << 20;
        let path = self.0.join("ballast");
        let mut file = File::create(&path).expect("there is room for a name");
        let free =
            || statvfs(&self.0).map(|disk| disk.blocks_available() * disk.fragment_size()).expect("it is mounted");
        while free() > megabytes * MEGABYTE as u64 {
            file.write_all(&vec![0; MEGABYTE]).expect("there is room");
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
