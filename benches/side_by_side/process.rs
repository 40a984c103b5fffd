use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long a process may take to answer, or to end when it is told to.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process under measurement. Killed when it is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    started: Instant,
    /// What it prints, and what it says on standard error.
    output: PathBuf,
    log: PathBuf,
}

impl Process {
    /// Runs the program itself, in `folder`.
    pub(crate) fn activelog(folder: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::spawn(Path::new(env!("CARGO_BIN_EXE_activelog")), folder, arguments)
    }

    /// Runs a counterpart: this binary with a subcommand.
    pub(crate) fn counterpart(folder: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::spawn(&std::env::current_exe()?, folder, arguments)
    }

    fn spawn(program: &Path, folder: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let name = arguments.first().copied().unwrap_or("process").to_owned();
        let (output, log) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.log")));
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        command.stdout(File::create(&output)?).stderr(File::create(&log)?);
        // As a user starts it: nothing of this machine's configuration.
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ACTIVELOG")) {
            command.env_remove(variable);
        }
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { name, child, started, output, log })
    }

    /// Waits until it answers `GET /health/live` with 200; answers how long that took from the start.
    pub(crate) fn wait_for_http(&mut self, address: SocketAddr) -> anyhow::Result<Duration> {
        while !answers(address) {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.said());
            }
            if self.started.elapsed() > PATIENCE {
                bail!("{} does not answer:\n{}", self.name, self.said());
            }
            std::thread::park_timeout(Duration::from_micros(500));
        }
        Ok(self.started.elapsed())
    }

    /// Memory in MiB as the system counts it: `VmRSS` (now) or `VmHWM` (at most until now).
    pub(crate) fn memory(&self, field: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("the system tells no memory")?;
        let kib: f64 = line.trim_matches(|c: char| !c.is_ascii_digit()).parse()?;
        Ok(kib / 1_024.0)
    }

    /// When it was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Fails if it has ended.
    pub(crate) fn ensure_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}:\n{}", self.name, self.said()),
        }
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGTERM)?;
        self.finish().map(drop)
    }

    /// Waits until it has ended by itself; answers what it printed.
    pub(crate) fn finish(mut self) -> anyhow::Result<String> {
        let status = self.child.wait()?;
        if !status.success() {
            bail!("{} ended with {status}:\n{}", self.name, self.said());
        }
        Ok(fs::read_to_string(&self.output)?)
    }

    /// The end of its log.
    fn said(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended is not there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address nobody listens on.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut start = [0; 12];
        match stream.read_exact(&mut start) {
            Ok(()) => Ok(&start == b"HTTP/1.1 200"),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    };
    ask().unwrap_or(false)
}
