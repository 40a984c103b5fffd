use std::fmt;

use serde_json::{Value, json};

use crate::{figures::whole, machine::Machine};

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) activelog: String,
    pub(crate) raw: String,
    pub(crate) ratio: Option<f64>,
    pub(crate) bar: &'static str,
    pub(crate) holds: Option<bool>,
    /// What the line cannot hold: spread, latencies, how it was done.
    pub(crate) note: String,
    pub(crate) figures: Value,
}

impl Row {
    /// A line without figures yet.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            activelog: String::new(),
            raw: "—".into(),
            ratio: None,
            bar: "—",
            holds: None,
            note: String::new(),
            figures: Value::Null,
        }
    }

    /// The line of a benchmark that needs what the machine lacks.
    pub(crate) fn left_out(name: &str, reason: impl fmt::Display) -> Self {
        Self { activelog: "left out".into(), note: reason.to_string(), ..Self::new(name) }
    }

    /// The line of a benchmark that went wrong.
    pub(crate) fn failed(name: &str, error: &anyhow::Error) -> Self {
        Self { activelog: "FAILED".into(), note: format!("{error:#}"), ..Self::new(name) }
    }

    /// Events or requests per second on both sides, and their ratio.
    #[must_use]
    pub(crate) fn rates(self, activelog: f64, raw: f64) -> Self {
        let (ours, theirs) = (format!("{}/s", whole(activelog)), format!("{}/s", whole(raw)));
        Self { activelog: ours, raw: theirs, ratio: Some(activelog / raw), ..self }
    }

    fn cells(&self) -> [String; 6] {
        let holds = match self.holds {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "—",
        };
        let ratio = self.ratio.map_or_else(|| "—".to_owned(), |ratio| format!("{ratio:.2}"));
        [self.name.clone(), self.activelog.clone(), self.raw.clone(), ratio, self.bar.to_owned(), holds.to_owned()]
    }
}

/// All of a run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, rows: Vec::new() }
    }

    /// The figures for machines.
    pub(crate) fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "name": row.name, "activelog": row.activelog, "raw": row.raw, "ratio": row.ratio, "bar": row.bar,
                "holds": row.holds, "note": row.note, "figures": row.figures,
            })
        };
        json!({ "machine": self.machine, "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["name", "activelog", "raw", "ratio", "bar", "holds?"].map(str::to_owned);
        let lines: Vec<[String; 6]> = std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let widths: [usize; 6] =
            std::array::from_fn(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0));
        writeln!(f, "\n{}\n", self.machine)?;
        for (index, line) in lines.iter().enumerate() {
            let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            writeln!(f, "| {} |", cells.collect::<Vec<_>>().join(" | "))?;
            if index == 0 {
                writeln!(f, "| {} |", widths.map(|width| "-".repeat(width)).join(" | "))?;
            }
        }
        writeln!(f)?;
        for row in self.rows.iter().filter(|row| !row.note.is_empty()) {
            writeln!(f, "- {}: {}", row.name, row.note)?;
        }
        Ok(())
    }
}
