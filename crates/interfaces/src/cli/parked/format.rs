use std::io::{self, Write};

use activelog_application::ports::ParkedEvent;
use activelog_domain::event::EventEnvelope;
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::terminal::{one_line, second, short_line};

/// How much of an error a line for people shows, in characters.
const ERROR_SHOWN: usize = 100;

/// A parked event, for machines.
#[derive(Serialize)]
struct Line<'a> {
    place: i64,
    handler: &'a str,
    group: &'a str,
    parked_at: Timestamp,
    /// 0 for one that only waits behind another.
    attempts: u32,
    first_failed_at: Option<Timestamp>,
    last_failed_at: Option<Timestamp>,
    error: Option<&'a str>,
    event: &'a EventEnvelope,
}

/// Writes a parked event whole, as one line of JSON.
pub(super) fn write_json(output: &mut dyn Write, parked: &ParkedEvent) -> io::Result<()> {
    let failures = parked.failures.as_ref();
    let line = Line {
        place: parked.place,
        handler: &parked.addressed.handler,
        group: &parked.addressed.group,
        parked_at: parked.parked_at,
        attempts: failures.map_or(0, |failures| failures.attempts),
        first_failed_at: failures.map(|failures| failures.first_at),
        last_failed_at: failures.map(|failures| failures.last_at),
        error: failures.map(|failures| failures.error.as_str()),
        event: &parked.addressed.event,
    };
    serde_json::to_writer(&mut *output, &line)?;
    output.write_all(b"\n")
}

/// Writes the names of the columns of [`write_line`].
pub(super) fn write_head(output: &mut dyn Write) -> io::Result<()> {
    writeln!(
        output,
        "{:>7}  {:20}  {:20}  {:18}  {:45}  {:>8}  LAST ERROR",
        "PLACE", "PARKED", "HANDLER", "EVENT", "SUBJECT", "ATTEMPTS"
    )
}

/// Writes what matters of a parked event in one line for people.
pub(super) fn write_line(output: &mut dyn Write, parked: &ParkedEvent) -> io::Result<()> {
    let event = &parked.addressed.event;
    let (attempts, error) = match &parked.failures {
        Some(failures) => (failures.attempts, short_line(&failures.error, ERROR_SHOWN)),
        None => (0, "waits behind another".to_owned()),
    };
    writeln!(
        output,
        "{:>7}  {:20}  {:20}  {:18}  {:45}  {attempts:>8}  {error}",
        parked.place,
        second(parked.parked_at),
        one_line(&parked.addressed.handler),
        one_line(&event.name),
        one_line(&event.subject),
    )
}
