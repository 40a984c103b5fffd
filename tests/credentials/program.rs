//! The program, with a broker.

use std::{process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{IN_A_URL, PASSWORD, authority::Authority};

const PATIENCE: Duration = Duration::from_secs(60);

/// Starts it in a folder of its own. Whoever trusts the authority does so as the documentation says.
fn start(folder: &TempDir, url: &str, authority: Option<&Authority>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_activelog"));
    command.args(["serve", "--listen", "127.0.0.1:0"]).env_clear().env("ACTIVELOG_BROKER_URL", url);
    if let Some(authority) = authority {
        command.env("SSL_CERT_FILE", authority.file("ca.pem"));
    }
    command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true).spawn().expect("the program starts")
}

/// That it runs with this broker.
pub(crate) async fn works(url: &str, authority: Option<&Authority>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut program = start(&folder, url, authority);
    let mut lines = BufReader::new(program.stdout.take().expect("a pipe")).lines();
    let runs = timeout(PATIENCE, async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.starts_with("Stop with Ctrl-C") {
                return true;
            }
        }
        false
    });
    if !runs.await.unwrap_or(false) {
        program.start_kill().expect("it is ours");
        panic!("{url}: {}", errors(&mut program).await);
    }
}

/// That it ends and says why, with these words and without the password.
pub(crate) async fn refused(url: &str, authority: Option<&Authority>, hints: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut program = start(&folder, url, authority);
    let ended = timeout(PATIENCE, program.wait()).await.expect("it ends").expect("it is our child");
    let why = errors(&mut program).await;
    assert_eq!(ended.code(), Some(1), "{url}: {why}");
    for hint in hints {
        assert!(why.contains(hint), "{hint:?} is not in: {why}");
    }
    for secret in [PASSWORD, IN_A_URL, "wr0ng"] {
        assert!(!why.contains(secret), "the password is told: {why}");
    }
}

async fn errors(program: &mut Child) -> String {
    let mut text = String::new();
    program.stderr.take().expect("a pipe").read_to_string(&mut text).await.expect("UTF-8");
    text
}
