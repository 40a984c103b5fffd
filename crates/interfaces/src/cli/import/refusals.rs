use std::io::{self, Write};

use super::{ImportReport, Refusal, Stop};

/// Takes every refused row as it is refused: none is kept in memory.
#[derive(Default)]
pub struct RefusalSink {
    report: Option<csv::Writer<Box<dyn Write + Send>>>,
    json: Option<JsonDocument>,
}

struct JsonDocument {
    output: Box<dyn Write + Send>,
    rows: u64,
}

impl RefusalSink {
    /// Takes them and forgets them.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also writes them to `output` as CSV: `line,activity_id,reason`.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn with_report(mut self, output: Box<dyn Write + Send>) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(output);
        writer.write_record(["line", "activity_id", "reason"]).map_err(io::Error::other)?;
        self.report = Some(writer);
        Ok(self)
    }

    /// Also writes them to `output` as the first part of a JSON document, which [`finish`](Self::finish) completes with the figures.
    #[must_use]
    pub fn with_json(mut self, output: Box<dyn Write + Send>) -> Self {
        self.json = Some(JsonDocument { output, rows: 0 });
        self
    }

    pub(super) fn take(&mut self, refusal: &Refusal) -> io::Result<()> {
        if let Some(writer) = &mut self.report {
            let id = refusal.activity_id.as_deref().unwrap_or_default();
            let line = refusal.line.to_string();
            writer.write_record([line.as_str(), id, refusal.reason.as_str()]).map_err(io::Error::other)?;
        }
        if let Some(document) = &mut self.json {
            let before: &[u8] = if document.rows == 0 { b"{\"refused_rows\":[\n" } else { b",\n" };
            document.output.write_all(before)?;
            serde_json::to_writer(&mut document.output, refusal)?;
            document.rows += 1;
        }
        Ok(())
    }

    /// Writes what is left to write.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self, report: &ImportReport, dry_run: bool) -> io::Result<()> {
        if let Some(writer) = &mut self.report {
            writer.flush()?;
        }
        let Some(document) = &mut self.json else { return Ok(()) };
        let before: &[u8] = if document.rows == 0 { b"{\"refused_rows\":[" } else { b"\n" };
        document.output.write_all(before)?;
        let (status, error) = match &report.stop {
            Stop::Completed => ("completed", None),
            Stop::Interrupted => ("interrupted", None),
            Stop::Failed(reason) => ("failed", Some(reason.as_str())),
        };
        let ImportReport { imported, skipped, refused, .. } = report;
        let figures = serde_json::json!({
            "status": status, "error": error, "dry_run": dry_run,
            "imported": imported, "skipped": skipped, "refused": refused,
        });
        // The figures' object goes on where the list ends: its opening brace is the document's.
        writeln!(document.output, "],{}", figures.to_string().trim_start_matches('{'))?;
        document.output.flush()
    }
}
