use activelog_application::ports::Finding;
use jiff::SignedDuration;

/// What was found when a database was looked at, without changing anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseReport {
    /// Whether it is there, its version, its schema, and the settings that keep what it has taken.
    pub findings: Vec<Finding>,
    /// Who may read and write its files, where it has files that can be seen.
    pub permissions: Vec<Finding>,
    /// How far its clock is ahead of this machine's, where it has one of its own.
    pub clock_ahead: Option<SignedDuration>,
    /// Whether it can be worked on as it is.
    pub usable: bool,
}

/// What is to be said of a schema that has this version, when this program needs that one. Whether it is that one.
pub(super) fn schema(found: i64, known: i64) -> (Finding, bool) {
    let finding = match found.cmp(&known) {
        std::cmp::Ordering::Equal => Finding::ok(format!("the schema is up to date (version {known})")),
        std::cmp::Ordering::Less => Finding::warning(
            match found {
                0 => "the schema has not been made yet".to_owned(),
                found => format!("the schema has version {found}, and this program needs {known}"),
            },
            "a role started with --no-migrate refuses it; one started without brings it up to date",
            "run `activelog migrate`",
        ),
        std::cmp::Ordering::Greater => Finding::error(
            format!("the schema has version {found}, and this program knows versions up to {known}"),
            "a newer program has migrated it: this one refuses to work on it",
            "upgrade this program, or point it at another database",
        ),
    };
    (finding, found == known)
}
