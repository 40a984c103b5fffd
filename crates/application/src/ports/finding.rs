/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is as it should be, or good to know.
    Ok,
    /// It works, and the promise is weaker than it could be, or trouble may come of it.
    Warning,
    /// It does not work, or breaks the promise.
    Error,
}

/// What was found when something was looked at, for people. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is.
    pub what: String,
    /// What it means; empty where that goes without saying.
    pub means: String,
    /// What to do; empty when there is nothing to do.
    pub advice: String,
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(what: impl Into<String>) -> Self {
        Self { severity: Severity::Ok, what: what.into(), means: String::new(), advice: String::new() }
    }

    /// Something that works and had better be mended.
    pub fn warning(what: impl Into<String>, means: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, what: what.into(), means: means.into(), advice: advice.into() }
    }

    /// Something that has to be mended.
    pub fn error(what: impl Into<String>, means: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Error, what: what.into(), means: means.into(), advice: advice.into() }
    }
}
