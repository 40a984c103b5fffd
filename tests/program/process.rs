//! Starts, signals and reaps the binary.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{store::Store, support};

/// How long anything may take that should take a moment, on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder to run programs in, and the database they use.
pub(crate) struct Setting {
    folder: TempDir,
    pub(crate) store: Store,
    /// `None` for the default.
    broker: Option<String>,
}

impl Setting {
    /// With the embedded database, in the default data folder.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::Sqlite(folder.path().join("activelog-data/activelog.db"));
        Self { folder, store, broker: None }
    }

    /// With an empty database on PostgreSQL; `None` without a server, or when the program was compiled without it.
    pub(crate) fn postgres() -> Option<Self> {
        if cfg!(feature = "postgres") { support::fresh_database().map(Self::on) } else { None }
    }

    /// With the PostgreSQL database at `url`.
    pub(crate) fn on(url: String) -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), store: Store::Postgres(url), broker: None }
    }

    /// With the broker at `url`.
    pub(crate) fn with_broker(self, url: String) -> Self {
        Self { broker: Some(url), ..self }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program with these arguments, in the folder, with nothing of the environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_activelog"));
        command.args(arguments).current_dir(self.folder()).env_clear().env("RUST_BACKTRACE", "1");
        if let Store::Postgres(url) = &self.store {
            command.env("ACTIVELOG_DATABASE_URL", url);
        }
        if let Some(url) = &self.broker {
            command.env("ACTIVELOG_BROKER_URL", url);
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        run(self.command(arguments)).await
    }

    /// Starts a role on a free port and waits until it says that it runs.
    pub(crate) async fn start(&self, role: &str) -> Program {
        self.start_with(role, &["--listen", "127.0.0.1:0"]).await
    }

    /// Starts a role with these flags and waits until it says that it runs.
    pub(crate) async fn start_with(&self, role: &str, flags: &[&str]) -> Program {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let log = self.folder().join(format!("{role}-{}.log", NEXT.fetch_add(1, Ordering::Relaxed)));
        let mut command = self.command(&[role]);
        command.args(flags).stdout(Stdio::piped()).stderr(fs::File::create(&log).expect("a log file"));
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut base = None;
        let announced = timeout(PATIENCE, async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(page) = line.trim().strip_prefix("health") {
                    base = Some(page.trim().trim_end_matches("/health").to_owned());
                }
                if line.starts_with("Stop with Ctrl-C") {
                    return true;
                }
            }
            false
        });
        let announced = announced.await.unwrap_or(false);
        let program = Program { child, base, log };
        assert!(announced, "{role} does not run:\n{}", program.log());
        program
    }
}

/// Runs a command to its end, which has to come.
pub(crate) async fn run(mut command: Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    timeout(PATIENCE, command.output()).await.expect("it ends").expect("it starts")
}

/// A running program. Dropping it kills it.
pub(crate) struct Program {
    child: Child,
    base: Option<String>,
    log: PathBuf,
}

impl Program {
    /// Where it answers.
    pub(crate) fn base(&self) -> &str {
        self.base.as_deref().expect("it listens")
    }

    /// The address of its API.
    pub(crate) fn address(&self) -> &str {
        self.base().trim_start_matches("http://")
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).expect("it runs");
        kill(Pid::from_raw(pid), signal).expect("it is ours");
    }

    /// How it ends, within `deadline`.
    pub(crate) async fn ended(&mut self, deadline: Duration) -> ExitStatus {
        match timeout(deadline, self.child.wait()).await {
            Ok(status) => status.expect("it is our child"),
            Err(_) => panic!("it still runs after {deadline:?}:\n{}", self.log()),
        }
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it is ours");
    }

    /// Stops it in good order.
    pub(crate) async fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.ended(Duration::from_secs(10)).await;
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of {}:\n{}", self.log.display(), lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}
