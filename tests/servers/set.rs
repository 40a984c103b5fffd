//! A set of servers that `scripts/servers` runs.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::support::{eventually, private_postgres::free_port};

/// Every port there is to choose.
const PORTS: [&str; 8] =
    ["POSTGRES", "REDIS", "NATS", "RABBITMQ", "RABBITMQ_DISTRIBUTION", "RABBITMQ_EPMD", "KAFKA", "KAFKA_CONTROLLER"];

/// A folder and ports. Its servers are stopped with it.
pub(crate) struct Set {
    home: TempDir,
    pub(crate) ports: BTreeMap<&'static str, u16>,
}

impl Set {
    pub(crate) fn new() -> Self {
        let home = tempfile::Builder::new().prefix("activelog-servers-").tempdir().expect("a folder");
        // Servers run as others where this is root.
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let mut set = Self { home, ports: BTreeMap::new() };
        set.move_elsewhere();
        set
    }

    /// Chooses new ports.
    pub(crate) fn move_elsewhere(&mut self) {
        let mut ports = std::collections::BTreeSet::new();
        while ports.len() < PORTS.len() {
            ports.insert(free_port());
        }
        self.ports = PORTS.into_iter().zip(ports).collect();
    }

    pub(crate) fn run(&self, action: &str, servers: &[&str]) -> Output {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/servers"));
        command.arg(action).args(servers).env("ACTIVELOG_SERVERS_HOME", self.home.path());
        for (name, port) in &self.ports {
            command.env(format!("ACTIVELOG_{name}_PORT"), port.to_string());
        }
        command.output().expect("bash is there")
    }

    /// What an action that succeeds prints.
    pub(crate) fn tell(&self, action: &str, servers: &[&str]) -> String {
        let output = self.run(action, servers);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success(), "{action} {servers:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// The URLs that `env` names, by their scheme.
    pub(crate) fn urls(&self) -> BTreeMap<String, String> {
        let told = self.tell("env", &[]);
        let urls = told.lines().filter_map(|line| line.split('\'').nth(1));
        urls.map(|url| (url.split(':').next().unwrap_or_default().to_owned(), url.to_owned())).collect()
    }

    /// The processes that have something to do with the folder.
    pub(crate) fn processes(&self) -> Vec<PathBuf> {
        let home = self.home.path().as_os_str().as_encoded_bytes();
        let holds = |text: Vec<u8>| text.windows(home.len()).any(|part| part == home);
        let processes = fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
        let numbered = processes.filter(|path| path.join("cmdline").exists());
        let of_ours = numbered.filter(|path| {
            fs::read_link(path.join("cwd")).is_ok_and(|folder| folder.starts_with(self.home.path()))
                || ["cmdline", "environ"].iter().any(|file| fs::read(path.join(file)).is_ok_and(holds))
        });
        let this = PathBuf::from(format!("/proc/{}", std::process::id()));
        of_ours.filter(|path| *path != this && !path.ends_with("self") && !path.ends_with("thread-self")).collect()
    }

    /// Kills those of its processes that run a program of this name, and waits for their end.
    pub(crate) async fn kill(&self, program: &str) {
        let named =
            |process: &PathBuf| fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == program);
        let killed: Vec<PathBuf> = self.processes().into_iter().filter(named).collect();
        assert!(!killed.is_empty(), "{program} does not run");
        for process in &killed {
            let id = process.file_name().and_then(|id| id.to_str()?.parse().ok()).expect("a process's number");
            signal::kill(Pid::from_raw(id), Signal::SIGKILL).expect("it is ours");
        }
        let gone = || async { killed.iter().all(|process| !process.join("exe").exists()).then_some(()) };
        eventually("it has ended", Duration::from_secs(10), gone).await;
    }

    /// Where its processes listen, as the system writes addresses.
    pub(crate) fn listens(&self) -> Vec<String> {
        let sockets: Vec<String> = self.processes().iter().flat_map(|process| sockets(process)).collect();
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
        let rows = tables.iter().flat_map(|table| table.lines().skip(1)).map(|row| row.split_whitespace().collect());
        let listening = rows.filter(|row: &Vec<&str>| row[3] == "0A" && sockets.iter().any(|inode| inode == row[9]));
        listening.map(|row| row[1].to_owned()).collect()
    }
}

fn sockets(process: &Path) -> Vec<String> {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok()).map(|target| target.display().to_string());
    targets.filter_map(|target| Some(target.strip_prefix("socket:[")?.trim_end_matches(']').to_owned())).collect()
}

impl Drop for Set {
    fn drop(&mut self) {
        self.run("stop", &[]);
    }
}
