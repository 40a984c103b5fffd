use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use activelog_application::bridge::{RefusedEvents, RefusedEventsError};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use serde::Serialize;

/// Keeps refused events in a file, as JSON lines that `events publish` takes. What is there already stays.
pub struct RefusedFile(Arc<Mutex<File>>);

#[derive(Serialize)]
struct Line<'a> {
    reason: &'a str,
    event: &'a EventEnvelope,
}

impl RefusedFile {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        file.sync_all()?;
        // A file that was made is only there for good once its folder says so.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if cfg!(unix) {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self(Arc::new(Mutex::new(file))))
    }
}

#[async_trait]
impl RefusedEvents for RefusedFile {
    async fn keep(&self, event: &EventEnvelope, reason: &str) -> Result<(), RefusedEventsError> {
        let mut line = serde_json::to_vec(&Line { reason, event })?;
        line.push(b'\n');
        let file = Arc::clone(&self.0);
        let writing = tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(&line)?;
            file.sync_data()
        });
        Ok(writing.await??)
    }
}

#[cfg(test)]
mod tests {
    use activelog_application::testing::broker::event;

    use super::*;

    #[tokio::test]
    async fn lines_are_added_and_can_be_published_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("refused.jsonl");
        let events = [event("thing.done", "thing-1", 1), event("thing.done", "thing-1", 2)];
        for event in &events {
            RefusedFile::open(&path).expect("a file").keep(event, "too large").await.expect("it is kept");
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let parser = crate::cli::publish::LineParser::for_tests();
        let read: Vec<EventEnvelope> = text.lines().map(|l| parser.parse(l.as_bytes()).expect("an event")).collect();
        assert_eq!(read, events);
        assert!(text.contains(r#""reason":"too large""#), "{text}");
    }
}
