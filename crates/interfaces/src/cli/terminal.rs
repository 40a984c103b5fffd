//! Text from files and events on its way to a terminal.

use jiff::Timestamp;

/// The text on one line, with control characters escaped, so that it cannot steer the terminal.
pub fn one_line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

/// The beginning of the text on one line, in characters, with a sign that there is more.
pub(crate) fn short_line(text: &str, characters: usize) -> String {
    let shown: String = text.chars().take(characters).collect();
    let rest = if shown.len() < text.len() { "…" } else { "" };
    format!("{}{rest}", one_line(&shown))
}

/// A time to the second.
pub(crate) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
