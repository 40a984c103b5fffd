//! A client in Python.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{
    PATIENCE,
    samples::{Read, Theirs},
    support::{self, Kind},
};

/// The Python that has the clients. `None` where there is none, which is said.
pub(crate) fn find() -> Option<PathBuf> {
    let configured = std::env::var_os("ACTIVELOG_INTEROP_HOME").map(PathBuf::from);
    let installed = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share/activelog/interop"));
    let home = configured.or_else(installed);
    let wanted = std::fs::read(folder().join("requirements.txt")).expect("it is in the repository");
    let current = |home: &PathBuf| std::fs::read(home.join("requirements.txt")).is_ok_and(|found| found == wanted);
    let python = home.filter(current).map(|home| home.join("bin/python")).filter(|python| python.exists());
    if python.is_none() {
        support::missing(
            "The Python clients that tests/interop/requirements.txt names are not in $ACTIVELOG_INTEROP_HOME or ~/.local/share/activelog/interop. Get them with \
             `scripts/install-interop`",
        );
    }
    python
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

pub(crate) struct Python {
    pub(crate) program: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    pub(crate) namespace: String,
}

impl Python {
    /// Publishes all of them, and fails where one is not taken.
    pub(crate) async fn publish(&self, events: &[Theirs]) {
        let lines: String = events.iter().map(|event| format!("{}\n", event.written)).collect();
        let mut client = self.start("publish", 0);
        let mut input = client.stdin.take().expect("a pipe");
        input.write_all(lines.as_bytes()).await.expect("it reads");
        drop(input);
        let ended = timeout(PATIENCE, client.wait()).await.expect("it ends").expect("it is our child");
        assert!(ended.success(), "{ended}");
    }

    /// Begins to read so many events; returns when nothing that is published from now on is missed.
    pub(crate) async fn consume(&self, count: usize) -> Reader {
        let mut client = self.start("consume", count);
        let lines = BufReader::new(client.stdout.take().expect("a pipe")).lines();
        let mut reader = Reader { _client: client, lines };
        assert_eq!(reader.line(PATIENCE).await, "ready");
        reader
    }

    fn start(&self, action: &str, count: usize) -> Child {
        let mut command = Command::new(&self.program);
        command.arg(format!("over_{}.py", self.kind.name())).arg(action);
        command.args([&self.port.to_string(), &self.namespace, &count.to_string()]);
        command.current_dir(folder()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("Python is there")
    }
}

/// What a client reads.
pub(crate) struct Reader {
    /// It ends with this.
    _client: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Reader {
    /// The next event.
    pub(crate) async fn next(&mut self, patience: Duration) -> Read {
        let line = self.line(patience).await;
        Read::parse(&line)
    }

    async fn line(&mut self, patience: Duration) -> String {
        let line = timeout(patience, self.lines.next_line()).await.expect("the client goes on");
        line.expect("UTF-8").expect("the client has not ended")
    }
}
