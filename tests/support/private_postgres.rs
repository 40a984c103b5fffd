#![expect(clippy::expect_used, clippy::panic, reason = "a server that is there and does not start fails the test")]

use std::{
    fmt, fs,
    net::{TcpListener, TcpStream},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

/// How long the server may take to start or stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// The superuser of the private server. Everyone on loopback is trusted.
const USER: &str = "activelog";

/// Makes the data folder if there is none, runs the server, and outlives the test process: once that is gone, however it went,
/// the pipe on standard input ends, and the server is stopped (at once: nobody wants its data) and its folder removed. The arguments after folder, binaries and
/// port run a command as another user.
const WATCHER: &str = r#"
exec 3<&0
dir=$1 bin=$2 port=$3; shift 3
exec >>"$dir/server.log" 2>&1 </dev/null
[ -e "$dir/data/PG_VERSION" ] || "$@" "$bin/initdb" -D "$dir/data" -U activelog -A trust -E UTF8 --no-locale --no-sync 3<&- || exit
"$@" "$bin/postgres" -D "$dir/data" -p "$port" -k "$dir" -c listen_addresses=127.0.0.1 -c fsync=on \
    -c synchronous_commit=on -c max_connections=300 -c log_min_messages=warning 3<&- &
server=$!
( while read -r _; do :; done; : >"$dir/abandoned"; while kill -QUIT "$server"; do sleep 0.2; done ) <&3 &
watch=$!
exec 3<&-
wait "$server"
if [ -e "$dir/abandoned" ]; then rm -rf "$dir"; else kill "$watch"; fi
"#;

/// There is no PostgreSQL on this machine.
#[derive(Debug, Clone)]
pub struct ServerMissing;

impl fmt::Display for ServerMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "PostgreSQL is not installed: `initdb` and `postgres` are neither in $ACTIVELOG_POSTGRES_BIN, nor on the PATH, \
             nor in /usr/lib/postgresql/*/bin. Get it with `apt-get install postgresql`",
        )
    }
}

impl std::error::Error for ServerMissing {}

/// A PostgreSQL server of one's own: on loopback, with its data in a temporary folder, durable like a real one. It stops when
/// this is dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub struct PrivatePostgres {
    bin: PathBuf,
    /// Removed by the watcher, or by this when the server is not running.
    folder: TempDir,
    port: u16,
    /// `None` while the server is down.
    running: Mutex<Option<Watched>>,
}

/// The watcher's process, and the pipe that keeps it waiting.
#[derive(Debug)]
struct Watched {
    watcher: Child,
    pipe: ChildStdin,
}

impl PrivatePostgres {
    /// Makes a data folder and starts a server on it.
    pub fn start() -> Result<Self, ServerMissing> {
        Self::start_in(&std::env::temp_dir())
    }

    /// The same with the data folder in this folder.
    pub fn start_in(parent: &Path) -> Result<Self, ServerMissing> {
        let bin = find_binaries().ok_or(ServerMissing)?;
        let folder = tempfile::Builder::new().prefix("activelog-postgres-").tempdir_in(parent);
        let folder = folder.expect("a temporary folder");
        if is_root() {
            run(Command::new("chown").arg(unprivileged_user()).arg(folder.path()));
        }
        let mut server = Self { bin, folder, port: 0, running: Mutex::new(None) };
        // Another process may take a port between its being found free and its being used.
        for _ in 0..3 {
            server.port = free_port();
            if server.launch() {
                return Ok(server);
            }
        }
        panic!("PostgreSQL does not start:\n{}", server.log());
    }

    /// The URL of a database on this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes an empty database. `name` is a plain word.
    pub fn create_database(&self, name: &str) {
        let (url, statement) = (self.url("postgres"), format!("CREATE DATABASE {name}"));
        // On a thread with a runtime of its own, so that tests may call it within or without one.
        let create = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&url).await?;
                sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
                connection.close().await
            })
        });
        create.join().expect("it does not panic").expect("the server makes a database");
    }

    /// Kills the server with SIGKILL, as a crash would, and waits until it is gone.
    pub fn kill(&self) {
        self.end(Signal::SIGKILL);
    }

    /// Stops the server in good order: open connections are ended, transactions rolled back.
    pub fn stop(&self) {
        self.end(Signal::SIGINT);
    }

    /// Starts the server again after [`kill`](Self::kill) or [`stop`](Self::stop), on the same port and data.
    pub fn restart(&self) {
        self.end(Signal::SIGINT);
        let start = Instant::now();
        // The backends of a killed postmaster notice by themselves; until then they hold on to its shared memory.
        while !self.launch() {
            assert!(start.elapsed() < PATIENCE, "PostgreSQL does not start again:\n{}", self.log());
        }
    }

    /// Whether the server runs. One that has ended by itself, as with a full disk, does not.
    pub fn is_running(&self) -> bool {
        self.running().as_mut().is_some_and(|watched| matches!(watched.watcher.try_wait(), Ok(None)))
    }

    /// The postmaster's process id.
    pub fn pid(&self) -> Option<Pid> {
        let file = fs::read_to_string(self.pid_file()).ok()?;
        file.lines().next()?.trim().parse().ok().map(Pid::from_raw)
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("data/postmaster.pid")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// Whether the server came up.
    fn launch(&self) -> bool {
        let mut command = Command::new("sh");
        command.args(["-c", WATCHER, "watcher"]).arg(self.folder.path()).arg(&self.bin);
        command.arg(self.port.to_string()).args(as_unprivileged());
        // A group of its own: Ctrl-C is for the tests, and the server ends when they have ended.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut watcher = command.current_dir(self.folder.path()).spawn().expect("sh is there");
        let pipe = watcher.stdin.take().expect("standard input is a pipe");
        let ready = self.wait_until_ready(&mut watcher);
        *self.running() = ready.then_some(Watched { watcher, pipe });
        ready
    }

    /// Waits until the postmaster says it is ready and accepts a connection. `false` if it ended instead.
    fn wait_until_ready(&self, watcher: &mut Child) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if watcher.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            let status = fs::read_to_string(self.pid_file()).unwrap_or_default();
            let ready = status.lines().nth(7).is_some_and(|line| line.trim() == "ready");
            if ready && TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("PostgreSQL is not ready after {PATIENCE:?}:\n{}", self.log());
    }

    fn end(&self, signal: Signal) {
        let Some(mut watched) = self.running().take() else { return };
        let backends = self.pid().map(children).unwrap_or_default();
        if let Some(pid) = self.pid() {
            match kill(pid, signal) {
                // It has ended by itself and left its file behind.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => panic!("the postmaster is ours: {error}"),
            }
        }
        if signal == Signal::SIGKILL {
            // A crash takes all of them: left alone, a backend may still finish what it is doing.
            for backend in &backends {
                let _ = kill(*backend, signal);
            }
        }
        watched.watcher.wait().expect("the watcher is our child");
        let start = Instant::now();
        while backends.iter().any(|backend| Path::new(&format!("/proc/{backend}")).exists()) {
            assert!(start.elapsed() < PATIENCE, "PostgreSQL's processes do not end");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Watched>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether there is a PostgreSQL on this machine.
pub fn has_postgres() -> bool {
    find_binaries().is_some()
}

/// The folder that holds `initdb` and `postgres`.
fn find_binaries() -> Option<PathBuf> {
    let configured = std::env::var_os("ACTIVELOG_POSTGRES_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut packaged: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    // The newest version first.
    packaged.sort_by_key(|bin| {
        let version = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        std::cmp::Reverse(version.and_then(|name| name.parse::<u32>().ok()))
    });
    configured
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(packaged)
        .find(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
}

/// The processes a postmaster has started.
fn children(postmaster: Pid) -> Vec<Pid> {
    let listed = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok().map(Pid::from_raw)).collect()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Whom to run the server as when the tests run as root, which PostgreSQL refuses.
fn unprivileged_user() -> &'static str {
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    if known.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" }
}

/// What to put before a command so that it does not run as root.
fn as_unprivileged() -> Vec<String> {
    as_user(unprivileged_user())
}

/// The same for a server that has no user of its own.
pub fn as_nobody() -> Vec<String> {
    as_user("nobody")
}

fn as_user(user: &str) -> Vec<String> {
    if !is_root() {
        return Vec::new();
    }
    let group = if user == "nobody" { "nogroup" } else { user };
    vec!["setpriv".into(), format!("--reuid={user}"), format!("--regid={group}"), "--init-groups".into()]
}

/// Makes a folder the property of whom [`as_nobody`] runs a server as.
pub fn give_to_nobody(folder: &Path) {
    if is_root() {
        run(Command::new("chown").arg("nobody").arg(folder));
    }
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("the program is there");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A port that nobody listens on, below those that the system gives to outgoing connections: one of these could take it while the server is down, even one
/// that tries to reach it.
pub fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(12_000..32_000)).take(1_000).find(is_free).expect("a free port")
}
