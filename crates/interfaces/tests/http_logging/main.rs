//! What is logged: the server's faults, once each; the clients' not at all above debug. A program of its
//! own: which log lines are wanted is remembered for the whole process.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "shared with the tests of the API, which use more of it")]
#[path = "../http/api.rs"]
mod api;
#[expect(dead_code, reason = "shared with the tests of the API, which use more of it")]
#[path = "../http/storage.rs"]
mod storage;

use std::{
    io,
    sync::{Arc, Mutex},
};

use activelog_application::ports::StorageErrorKind;
use serde_json::json;
use tracing::Level;

use crate::api::{Api, run, run_with};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().expect("not poisoned").clone();
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_failure_is_logged_once_with_its_cause_and_request() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let api = Api::default();
    api.store.inner.fail_next("insert activity", StorageErrorKind::Other);
    let failed = api.post("/activities", &run()).await;
    api.post("/activities", &run_with(json!({ "title": "" }))).await.problem(422, "validation");
    let lines = log.lines();
    let errors: Vec<&String> = lines.iter().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{lines:#?}");
    let id = failed.header("x-request-id").expect("an id");
    for part in ["request failed", "injected by the test", "insert activity", "status=500", id] {
        assert!(errors[0].contains(part), "{part} in {}", errors[0]);
    }
    let access: Vec<&String> = lines.iter().filter(|line| line.contains("request answered")).collect();
    assert_eq!(access.len(), 2, "{lines:#?}");
    assert!(access[1].contains("DEBUG") && access[1].contains("status=422"), "{}", access[1]);
}
