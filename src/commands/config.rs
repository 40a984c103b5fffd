use std::io::{self, Write};

use activelog_interfaces::cli::{ConfigArgs, ConfigOutput, one_line};

use super::{CommandError, ExitStatus};
use crate::config::{EffectiveValue, Loaded, Shown};

/// Prints every setting in effect and where it came from, without secrets.
///
/// # Errors
/// When it cannot be written.
pub fn show_config(loaded: &Loaded, args: &ConfigArgs, output: &mut dyn Write) -> Result<ExitStatus, CommandError> {
    let written = match args.output {
        ConfigOutput::Text => text(&loaded.origins, output),
        ConfigOutput::Json => json(&loaded.origins, output),
        ConfigOutput::Toml => toml(&loaded.origins, output),
    };
    super::exit::written(written.and_then(|()| output.flush()))
}

fn text(values: &[EffectiveValue], output: &mut dyn Write) -> io::Result<()> {
    let shown = |value: &EffectiveValue| match &value.value {
        Some(shown) => one_line(&shown.to_string()),
        None => "(not set)".to_owned(),
    };
    let origin = |value: &EffectiveValue| one_line(&value.origin.to_string());
    let width = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let keys = width(&mut values.iter().map(|v| v.key.len()));
    // One long path must not push all sources out of sight.
    let shown_width = width(&mut values.iter().map(|v| shown(v).chars().count())).min(50);
    values
        .iter()
        .try_for_each(|value| writeln!(output, "{:keys$}  {:shown_width$}  {}", value.key, shown(value), origin(value)))
}

fn json(values: &[EffectiveValue], output: &mut dyn Write) -> io::Result<()> {
    let entry = |value: &EffectiveValue| {
        let source = value.origin.to_string();
        (value.key.clone(), serde_json::json!({ "value": value.value, "source": source }))
    };
    let object: serde_json::Map<_, _> = values.iter().map(entry).collect();
    serde_json::to_writer_pretty(&mut *output, &object)?;
    writeln!(output)
}

fn toml(values: &[EffectiveValue], output: &mut dyn Write) -> io::Result<()> {
    let mut section = "";
    for EffectiveValue { key, value, origin } in values {
        let (next, name) = key.split_once('.').unwrap_or(("", key));
        if next != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            writeln!(output, "{gap}[{next}]")?;
            section = next;
        }
        match value {
            // An origin may hold a path, and a path a line feed.
            Some(value) => writeln!(output, "{name} = {}  # {}", literal(value), origin.to_string().escape_debug())?,
            None => writeln!(output, "# {name} =  # not set")?,
        }
    }
    Ok(())
}

/// A value as TOML writes it. The strings of JSON are basic strings of TOML but for DEL, which JSON does not escape.
fn literal(value: &Shown) -> String {
    match value {
        Shown::Truth(truth) => truth.to_string(),
        Shown::Number(number) => number.to_string(),
        Shown::Text(text) => serde_json::Value::from(text.as_str()).to_string().replace('\u{7f}', "\\u007F"),
    }
}
