use std::io::{self, Write};

use activelog_application::ports::{DeadLetter, Death, Failures};
use activelog_domain::event::EventEnvelope;
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::terminal::{one_line, second, short_line};

/// How much of an error a line for people shows, in characters.
const ERROR_SHOWN: usize = 100;

/// A dead letter, for machines.
#[derive(Serialize)]
struct Line<'a> {
    id: i64,
    state: &'static str,
    holds: bool,
    handler: &'a str,
    group: &'a str,
    died_at: Timestamp,
    changed_at: Timestamp,
    /// Oldest first: the last one counts.
    deaths: Vec<DeathLine<'a>>,
    event: &'a EventEnvelope,
}

#[derive(Serialize)]
struct DeathLine<'a> {
    reason: &'static str,
    attempts: u32,
    first_failed_at: Timestamp,
    last_failed_at: Timestamp,
    error: &'a str,
}

impl<'a> From<&'a Death> for DeathLine<'a> {
    fn from(Death { reason, failures }: &'a Death) -> Self {
        let Failures { attempts, first_at, last_at, error } = failures;
        Self {
            reason: reason.as_str(),
            attempts: *attempts,
            first_failed_at: *first_at,
            last_failed_at: *last_at,
            error,
        }
    }
}

/// Writes a dead letter whole, as one line of JSON.
pub(super) fn write_json(output: &mut dyn Write, letter: &DeadLetter) -> io::Result<()> {
    let line = Line {
        id: letter.id,
        state: letter.state.as_str(),
        holds: letter.holds,
        handler: &letter.addressed.handler,
        group: &letter.addressed.group,
        died_at: letter.died_at,
        changed_at: letter.changed_at,
        deaths: letter.earlier.iter().chain([&letter.death]).map(DeathLine::from).collect(),
        event: &letter.addressed.event,
    };
    serde_json::to_writer(&mut *output, &line)?;
    output.write_all(b"\n")
}

/// Writes the names of the columns of [`write_line`].
pub(super) fn write_head(output: &mut dyn Write) -> io::Result<()> {
    writeln!(
        output,
        "{:>7}  {:9}  {:20}  {:11}  {:20}  {:18}  {:45}  ERROR",
        "NUMBER", "STATE", "DIED", "REASON", "HANDLER", "EVENT", "SUBJECT"
    )
}

/// Writes what matters of a dead letter in one line for people.
pub(super) fn write_line(output: &mut dyn Write, letter: &DeadLetter) -> io::Result<()> {
    let (death, event) = (&letter.death, &letter.addressed.event);
    writeln!(
        output,
        "{:>7}  {:9}  {:20}  {:11}  {:20}  {:18}  {:45}  {}",
        letter.id,
        letter.state.as_str(),
        second(letter.died_at),
        death.reason.as_str(),
        one_line(&letter.addressed.handler),
        one_line(&event.name),
        one_line(&event.subject),
        short_line(&death.failures.error, ERROR_SHOWN)
    )
}

/// Writes a dead letter whole, for people.
pub(super) fn write_whole(output: &mut dyn Write, letter: &DeadLetter) -> io::Result<()> {
    let (addressed, event) = (&letter.addressed, &letter.addressed.event);
    let hold = if letter.holds { ", and later events of its aggregate wait for it" } else { "" };
    writeln!(output, "Dead letter {}: {} since {}{hold}", letter.id, letter.state.as_str(), second(letter.changed_at))?;
    writeln!(output, "  handler  {} (group {})", one_line(&addressed.handler), one_line(&addressed.group))?;
    writeln!(output, "  event    {} version {}, {}", one_line(&event.name), event.version, event.id)?;
    writeln!(output, "  subject  {}, its event number {}", one_line(&event.subject), event.sequence)?;
    writeln!(output, "\nDeaths, newest first:")?;
    for death in [&letter.death].into_iter().chain(letter.earlier.iter().rev()) {
        let Failures { attempts, first_at, last_at, error } = &death.failures;
        let plural = if *attempts == 1 { "attempt" } else { "attempts" };
        let (first, last) = (second(*first_at), second(*last_at));
        writeln!(output, "  {} after {attempts} {plural}, {first} to {last}", death.reason.as_str())?;
        for line in error.lines() {
            writeln!(output, "    {}", one_line(line))?;
        }
    }
    writeln!(output, "\nEvent:")?;
    // By way of a tree of values, so that the event's data is laid out too.
    let envelope = serde_json::to_value(&**event).and_then(|value| serde_json::to_string_pretty(&value))?;
    envelope.lines().try_for_each(|line| writeln!(output, "{}", one_line(line)))
}
