use std::io::{self, Write};

use activelog_application::ports::JournalEntry;
use activelog_domain::event::EventEnvelope;
use serde::Serialize;

use crate::cli::{
    OutputFormat,
    terminal::{one_line, short_line},
};

/// How much of an event's data a line for people shows, in characters.
const DATA_SHOWN: usize = 200;

/// An entry of the journal, for machines.
#[derive(Serialize)]
struct Line<'a> {
    partition: u16,
    position: u64,
    published_at: jiff::Timestamp,
    event: &'a EventEnvelope,
}

/// An event of a broker, for machines.
#[derive(Serialize)]
struct Bare<'a> {
    event: &'a EventEnvelope,
}

/// Writes an entry as one line.
pub(super) fn write_entry(output: &mut dyn Write, format: OutputFormat, entry: &JournalEntry) -> io::Result<()> {
    match format {
        OutputFormat::Json => {
            let line = Line {
                partition: entry.partition.0,
                position: entry.position,
                published_at: entry.published_at,
                event: &entry.event,
            };
            serde_json::to_writer(&mut *output, &line)?;
            output.write_all(b"\n")
        }
        OutputFormat::Text => write_text(output, &entry.event),
    }
}

/// Writes an event of a broker as one line. Brokers have no positions to show.
pub(super) fn write_event(output: &mut dyn Write, format: OutputFormat, event: &EventEnvelope) -> io::Result<()> {
    match format {
        OutputFormat::Json => {
            serde_json::to_writer(&mut *output, &Bare { event })?;
            output.write_all(b"\n")
        }
        OutputFormat::Text => write_text(output, event),
    }
}

fn write_text(output: &mut dyn Write, event: &EventEnvelope) -> io::Result<()> {
    let (time, name, subject) = (event.time, one_line(&event.name), one_line(&event.subject));
    let (sequence, data) = (event.sequence, shown_data(event));
    writeln!(output, "{time}  {name:<18}  {subject}  #{sequence}  {data}")
}

/// An event's data, as a line for people shows it.
pub(super) fn shown_data(event: &EventEnvelope) -> String {
    match std::str::from_utf8(&event.data) {
        Ok(text) => short_line(text, DATA_SHOWN),
        Err(_) => format!("{} bytes of {}", event.data.len(), one_line(&event.content_type)),
    }
}
