use std::{
    fmt, fs,
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use serde::Serialize;

/// The machine, as far as figures depend on it.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    /// Appends of 4 KiB followed by fdatasync, per second: the bound on commits.
    syncs_per_second: f64,
    /// The same where PostgreSQL's data folder is: the folder for temporary files.
    temporary_syncs_per_second: f64,
    /// Processes that wanted to run, on average over the minute before.
    load: f64,
}

impl Machine {
    pub(crate) fn look(folder: &Path) -> anyhow::Result<Self> {
        // Before anything of this run adds to it.
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let temporary = tempfile::tempdir()?;
        Ok(Self {
            load: load.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN),
            cores: std::thread::available_parallelism()?.get(),
            syncs_per_second: syncs(folder)?,
            temporary_syncs_per_second: syncs(temporary.path())?,
        })
    }
}

fn syncs(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("syncs");
    let mut file = File::create(&path)?;
    let (start, mut count) = (Instant::now(), 0.0);
    while start.elapsed() < Duration::from_millis(500) {
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
        count += 1.0;
    }
    let rate = count / start.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(rate)
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, syncs_per_second, temporary_syncs_per_second, load } = self;
        write!(
            f,
            "{cores} cores · {syncs_per_second:.0} fdatasync/s ({temporary_syncs_per_second:.0} in the temporary folder) · \
             load average {load:.2}"
        )?;
        if *load > 1.0 {
            write!(f, "\nWARNING: the machine is busy with something else. Only ratios mean anything, if that.")?;
        }
        Ok(())
    }
}
