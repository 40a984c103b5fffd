//! Starts, signals and reaps the program.

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{Instant, timeout},
};

/// How long a start may take, the database being away for a part of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program: the one that was built with the tests, or that of `ACTIVELOG_FAULTS_PROGRAM`, another build with the feature.
fn program() -> PathBuf {
    std::env::var_os("ACTIVELOG_FAULTS_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_activelog").into(), PathBuf::from)
}

/// How a role is started, again and again.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) role: &'static str,
    /// What its log is called.
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) environment: Vec<(String, String)>,
}

impl Launch {
    /// Where all its runs log to.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// Starts it as a supervisor does: again, when it ends before it runs, as it does without its database.
    pub(crate) async fn start(&self) -> Result<Program, String> {
        let start = Instant::now();
        loop {
            match self.attempt().await {
                Ok(program) => return Ok(program),
                Err(why) if start.elapsed() > PATIENCE => return Err(why),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn attempt(&self) -> Result<Program, String> {
        let failed = |what: &str| format!("{} {what}; see {}", self.name, self.log().display());
        let mut log = OpenOptions::new().create(true).append(true).open(self.log()).map_err(|e| e.to_string())?;
        writeln!(log, "\n--- {} starts", self.name).map_err(|error| error.to_string())?;
        let mut command = Command::new(program());
        command.arg(self.role).current_dir(&self.folder).env_clear().env("RUST_BACKTRACE", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| failed(&error.to_string()))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("has no output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let announced = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.starts_with("Stop with Ctrl-C") {
                    return true;
                }
            }
            false
        };
        match timeout(PATIENCE, announced).await {
            Ok(true) => Ok(Program { child }),
            Ok(false) => Err(failed("ends before it runs")),
            Err(_) => Err(failed("does not run in time")),
        }
    }
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
}

impl Program {
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // One that has just ended by itself is found out by who waits for it.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// The memory it holds, in KiB.
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    /// How it has ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// How it ends; `None` when it still runs after `deadline`.
    pub(crate) async fn ended(&mut self, deadline: Duration) -> Option<ExitStatus> {
        timeout(deadline, self.child.wait()).await.ok()?.ok()
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        // One that has ended already has been overtaken.
        let _ = self.child.kill().await;
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
