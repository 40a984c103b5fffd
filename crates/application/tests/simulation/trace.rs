//! What happened in a run, step by step.

use std::{fmt::Display, sync::Mutex};

use tokio::time::Instant;

pub(crate) struct Trace {
    began: Instant,
    lines: Option<Mutex<Vec<String>>>,
}

impl Trace {
    /// One that is kept, or one that costs nothing.
    pub(crate) fn new(kept: bool) -> Self {
        Self { began: Instant::now(), lines: kept.then(Mutex::default) }
    }

    pub(crate) fn note(&self, who: &str, what: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let line = format!("{:>6} ms {who}: {}", self.began.elapsed().as_millis(), what());
            lines.lock().expect("not poisoned").push(line);
        }
    }

    pub(crate) fn outcome<T, E: Display>(&self, who: &str, operation: &str, outcome: &Result<T, E>) {
        self.note(who, || match outcome {
            Ok(_) => operation.to_owned(),
            Err(error) => format!("{operation} failed: {error}"),
        });
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.as_ref().map(|lines| lines.lock().expect("not poisoned").clone()).unwrap_or_default()
    }
}
