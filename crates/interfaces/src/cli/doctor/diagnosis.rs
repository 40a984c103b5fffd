use activelog_application::ports::{Finding, Severity};

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The configuration.
    Configuration,
    /// The database.
    Database,
    /// The broker.
    Broker,
    /// The clocks of this machine and of the servers.
    Clock,
    /// Who may read and write files.
    Permissions,
}

impl Subject {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Database => "database",
            Self::Broker => "broker",
            Self::Clock => "clock",
            Self::Permissions => "permissions",
        }
    }
}

/// Everything that was found, by what it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// In the order in which it was looked at.
    pub findings: Vec<(Subject, Finding)>,
}

impl Diagnosis {
    /// Adds what was found about something.
    pub fn add(&mut self, subject: Subject, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings.into_iter().map(|finding| (subject, finding)));
    }

    /// How many findings there are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|(_, finding)| finding.severity == severity).count()
    }

    /// Whether nothing has to be mended.
    pub fn is_sound(&self) -> bool {
        self.count(Severity::Error) == 0
    }
}
