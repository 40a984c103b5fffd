#![expect(clippy::expect_used, clippy::panic, reason = "a server that is there and does not start fails the test")]

use std::{
    fs,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{
    broker_kind::Kind,
    private_postgres::{as_nobody, free_port, give_to_nobody},
    private_rabbitmq,
};

/// How long a server may take to start or stop, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs a server and outlives the test process: once that is gone, however it went, the pipe on standard input ends, the server is killed and its folder
/// removed.
const WATCHER: &str = r#"
exec 3<&0
dir=$1; shift
exec >>"$dir/server.log" 2>&1 </dev/null
"$@" 3<&- &
server=$!
echo "$server" >"$dir/server.pid"
( while read -r _; do :; done; true >"$dir/abandoned"; while kill -KILL "$server"; do sleep 0.2; done ) <&3 &
watch=$!
exec 3<&-
wait "$server"
if [ -e "$dir/abandoned" ]; then rm -rf "$dir"; else kill "$watch"; fi
"#;

/// A broker of one's own: on loopback, with its data in a temporary folder, durable like a real one. It ends when this is dropped, or when the process
/// ends in whatever way.
#[derive(Debug)]
pub struct PrivateBroker {
    kind: Kind,
    program: PathBuf,
    folder: TempDir,
    port: u16,
    /// What it is configured with beside what every test wants, in its own language.
    extra: String,
    /// `None` while the server is down.
    running: Mutex<Option<(Child, ChildStdin)>>,
}

/// Where a broker is to be.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The folder that its own is made in.
    pub parent: PathBuf,
    /// The port that clients come to, where that is not the server's own. Kafka has to tell them.
    pub advertised: Option<u16>,
}

impl Default for Placement {
    fn default() -> Self {
        Self { parent: std::env::temp_dir(), advertised: None }
    }
}

impl PrivateBroker {
    /// Starts one; `None` when its program is not on this machine.
    pub fn start(kind: Kind) -> Option<Self> {
        Self::start_with(kind, |_| String::new())
    }

    /// Starts one with a configuration that may add to the usual one and override it, for the port it is on.
    pub fn start_with(kind: Kind, extra: impl Fn(u16) -> String) -> Option<Self> {
        Self::begin(kind, &Placement::default(), extra)
    }

    /// Starts one at a certain place.
    pub fn start_at(kind: Kind, placement: &Placement) -> Option<Self> {
        Self::begin(kind, placement, |_| String::new())
    }

    fn begin(kind: Kind, placement: &Placement, extra: impl Fn(u16) -> String) -> Option<Self> {
        let program = kind.find()?;
        let prefix = format!("activelog-{}-", kind.program());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(&placement.parent).expect("a folder");
        give_to_nobody(folder.path());
        let mut server = Self { kind, program, folder, port: 0, extra: String::new(), running: Mutex::new(None) };
        // Another process may take a port between its being found free and its being used.
        for _ in 0..3 {
            server.port = free_port();
            let advertised = placement.advertised.unwrap_or(server.port);
            server.extra = extra(server.port);
            kind.configure(&server.program, server.folder.path(), server.port, advertised, &server.extra);
            if server.launch() {
                return Some(server);
            }
        }
        panic!("{} does not start:\n{}", kind.program(), server.log());
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a namespace on this server.
    pub fn url(&self, namespace: &str) -> String {
        self.kind.url(self.port, namespace)
    }

    /// The same for clients that come to another port.
    pub fn url_at(&self, port: u16, namespace: &str) -> String {
        self.kind.url(port, namespace)
    }

    /// Whether the server runs. One that has ended by itself, as with a full disk, does not.
    pub fn is_running(&self) -> bool {
        self.running().as_mut().is_some_and(|(watcher, _)| matches!(watcher.try_wait(), Ok(None)))
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the server is ours");
    }

    /// Stops the server, so that it answers nothing while its connections stay open, and waits until every thread of it stands still. SIGCONT lets it go on.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
        let stands = |task: fs::DirEntry| {
            let status = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            status.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        };
        let tasks = || fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it is there").flatten();
        let start = Instant::now();
        while !tasks().all(stands) {
            assert!(start.elapsed() < PATIENCE, "{} does not stop", self.kind.program());
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Kills the server with SIGKILL, as a crash would, and waits until it is gone.
    pub fn kill(&self) {
        let Some((mut watcher, _pipe)) = self.running().take() else { return };
        // Once the watcher has ended, so has the server, and its id may be another's.
        if matches!(watcher.try_wait(), Ok(None)) {
            match kill(self.pid(), Signal::SIGKILL) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => panic!("the server is ours: {error}"),
            }
        }
        watcher.wait().expect("the watcher is our child");
    }

    /// Starts the server again after [`kill`](Self::kill), on the same port and data.
    pub fn restart(&self) {
        self.kill();
        let start = Instant::now();
        while !self.launch() {
            assert!(start.elapsed() < PATIENCE, "{} does not start again:\n{}", self.kind.program(), self.log());
        }
    }

    fn pid(&self) -> Pid {
        let text = fs::read_to_string(self.folder.path().join("server.pid")).expect("it was started");
        Pid::from_raw(text.trim().parse().expect("a process id"))
    }

    /// What the server has said since it was first started.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// Whether the server came up.
    fn launch(&self) -> bool {
        let mut command = Command::new("sh");
        command.args(["-c", WATCHER, "watcher"]).arg(self.folder.path()).args(as_nobody());
        match self.kind {
            Kind::RabbitMq => command.arg("sh").args(private_rabbitmq::prepare(
                self.folder.path(),
                &self.program,
                self.port,
                &self.extra,
            )),
            kind => command.arg(&self.program).args(kind.arguments()),
        };
        // A group of its own: Ctrl-C is for the tests, and the server ends when they have ended.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut watcher = command.current_dir(self.folder.path()).spawn().expect("sh is there");
        let pipe = watcher.stdin.take().expect("standard input is a pipe");
        let ready = self.wait_until_ready(&mut watcher);
        *self.running() = ready.then_some((watcher, pipe));
        ready
    }

    /// Waits until the server does its work. `false` if it ended instead.
    fn wait_until_ready(&self, watcher: &mut Child) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if watcher.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            if self.kind.is_ready(self.port, &self.log()) {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("{} is not ready after {PATIENCE:?}:\n{}", self.kind.program(), self.log());
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<(Child, ChildStdin)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PrivateBroker {
    fn drop(&mut self) {
        self.kill();
    }
}
