//! Texts that choose: queries and bodies of HTTP requests, arguments of the command line, patterns of events.
//!
//! An input begins with a word that says what it is:
//! - `GET /dead-letters?handler=x`, `POST /dead-letters/replay` and the like: a request; its body follows after the first line.
//! - `activelog`: a command line, an argument a line.
//! - anything else: a pattern of events, and on further lines names it may match; also a URL of a webhook, and a list of patterns.

mod command_line;
mod letters;
mod patterns;
mod requests;
mod site;

/// Nothing is chosen that was not asked for, what is accepted is what was written, and lists end.
pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    match first.split_once(' ') {
        Some(("GET", path)) => requests::read(path),
        Some(("POST", path)) => requests::act(path, rest),
        _ if first == "activelog" => command_line::run(rest),
        _ => patterns::check(first, rest),
    }
}
