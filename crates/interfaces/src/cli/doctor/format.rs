use std::io::{self, Write};

use activelog_application::ports::{Finding, Severity};
use serde::Serialize;

use super::Diagnosis;
use crate::cli::{OutputFormat, one_line};

/// Prints what was found.
///
/// # Errors
/// When it cannot be written.
pub fn print(diagnosis: &Diagnosis, output: OutputFormat, out: &mut dyn Write) -> io::Result<()> {
    match output {
        OutputFormat::Text => text(diagnosis, out)?,
        OutputFormat::Json => json(diagnosis, out)?,
    }
    out.flush()
}

fn text(diagnosis: &Diagnosis, out: &mut dyn Write) -> io::Result<()> {
    let mut heading = None;
    for (subject, Finding { severity, what, means, advice }) in &diagnosis.findings {
        if heading != Some(*subject) {
            heading = Some(*subject);
            writeln!(out, "{}", subject.name())?;
        }
        writeln!(out, "  {:7}  {}", name(*severity), one_line(what))?;
        for (label, line) in [("", means), ("do: ", advice)] {
            if !line.is_empty() {
                writeln!(out, "           {label}{}", one_line(line))?;
            }
        }
    }
    let (errors, warnings) = (diagnosis.count(Severity::Error), diagnosis.count(Severity::Warning));
    writeln!(out, "\n{}, {}", counted(errors, "error"), counted(warnings, "warning"))
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    errors: usize,
    warnings: usize,
    findings: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    about: &'static str,
    severity: &'static str,
    what: &'a str,
    means: &'a str,
    advice: &'a str,
}

fn json(diagnosis: &Diagnosis, out: &mut dyn Write) -> io::Result<()> {
    let findings = diagnosis.findings.iter().map(|(subject, finding)| Line {
        about: subject.name(),
        severity: name(finding.severity),
        what: &finding.what,
        means: &finding.means,
        advice: &finding.advice,
    });
    let whole = Whole {
        errors: diagnosis.count(Severity::Error),
        warnings: diagnosis.count(Severity::Warning),
        findings: findings.collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Subject;

    fn printed(output: OutputFormat) -> String {
        let mut diagnosis = Diagnosis::default();
        diagnosis.add(Subject::Database, [Finding::ok("it is\u{7}there")]);
        let loose = Finding::warning("loose", "it may go", "fasten it");
        diagnosis.add(Subject::Broker, [loose, Finding::error("gone", "nothing works", "bring it back")]);
        assert!(!diagnosis.is_sound());
        let mut bytes = Vec::new();
        print(&diagnosis, output, &mut bytes).expect("memory takes it");
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn findings_stand_below_what_they_are_about() {
        let expected = "database\n  ok       it is\\u{7}there\nbroker\n  warning  loose\n           it may go\n           do: fasten it\n  \
                        error    gone\n           nothing works\n           do: bring it back\n\n1 error, 1 warning\n";
        assert_eq!(printed(OutputFormat::Text), expected);
    }

    #[test]
    fn machines_get_one_object() {
        let whole: serde_json::Value = serde_json::from_str(&printed(OutputFormat::Json)).expect("JSON");
        assert_eq!((&whole["errors"], &whole["warnings"]), (&1.into(), &1.into()));
        assert_eq!(whole["findings"][2]["about"], "broker");
        assert_eq!(whole["findings"][2]["advice"], "bring it back");
    }
}
