use std::{fmt, path::PathBuf};

use activelog_interfaces::cli::one_line;

use super::Origin;

/// The configuration cannot be used. The message is for the person who wrote it and says what to change.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named by a flag or variable, or found in the working folder, cannot be read.
    #[error("cannot read the configuration file {} ({origin}): {}", path.display(), one_line(reason))]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Who named it.
        origin: Origin,
        /// What the system said.
        reason: String,
    },
    /// The file is not what its name says it is.
    #[error("the configuration file {} is not valid: {}", path.display(), one_line(reason))]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What the parser said, without the line itself: it may hold a secret.
        reason: String,
    },
    /// Keys are unknown or values break their rules: all of them.
    #[error("{}", Listed(.0))]
    Invalid(Vec<Problem>),
}

impl ConfigError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "name a readable TOML or YAML file with --config or ACTIVELOG_CONFIG",
            Self::Malformed { .. } => "`activelog config --output toml` prints a complete file to start from",
            Self::Invalid(_) => "`activelog config` shows every key with its value and where it came from",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A key that does not exist.
    #[error("{key}: unknown key (from {origin}){}", did_you_mean(.nearest.as_deref()))]
    UnknownKey {
        /// The key as it was written.
        key: String,
        /// Who wrote it.
        origin: Origin,
        /// The most similar one that exists.
        nearest: Option<String>,
    },
    /// A value that breaks a rule.
    #[error("{key}: {rule}; got {value} (from {origin})")]
    BadValue {
        /// The key.
        key: String,
        /// The rule, as an instruction.
        rule: String,
        /// The value, shortened and without secrets.
        value: String,
        /// Who set it.
        origin: Origin,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean {key}?")).unwrap_or_default()
}

struct Listed<'a>(&'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0 {
            return write!(f, "invalid configuration: {}", one_line(&only.to_string()));
        }
        write!(f, "invalid configuration, {} problems:", self.0.len())?;
        for problem in self.0 {
            write!(f, "\n  - {}", one_line(&problem.to_string()))?;
        }
        Ok(())
    }
}
