//! Text from files and events on its way to a terminal.

/// The text on one line, with control characters escaped, so that it cannot steer the terminal.
pub(crate) fn one_line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}
