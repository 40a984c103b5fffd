use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::SecretUrl;

/// Which database: the URL's scheme decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`: a file, made when it is missing. The path is taken literally, relative to the working folder.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// `postgres://user:password@host:port/database?…`.
    Postgres {
        /// The URL as it was given.
        url: SecretUrl,
    },
}

impl DatabaseUrl {
    /// The database of an installation that names none: a file in its data folder.
    pub fn in_folder(data_dir: &Path) -> Self {
        Self::Sqlite { path: data_dir.join("activelog.db") }
    }

    /// Reads a URL. The error is the rule that it breaks.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "must be sqlite:PATH or postgres://user:password@host:port/database";
        let url = SecretUrl::new(text);
        match url.scheme().as_deref() {
            Some("postgres" | "postgresql") if text.contains("://") => {
                check_postgres(&url)?;
                Ok(Self::Postgres { url })
            }
            Some("sqlite") => sqlite_path(text).map(|path| Self::Sqlite { path }),
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

/// Whether the driver can read the URL, so that a wrong one is told as such and not as a database that cannot be opened.
#[cfg(feature = "postgres")]
fn check_postgres(url: &SecretUrl) -> Result<(), String> {
    use activelog_infrastructure::persistence::{DatabaseError, postgres::PgOptions};
    PgOptions::new(url.expose()).map(drop).map_err(|error| match error {
        DatabaseError::InvalidUrl { reason } => format!("must be a valid URL: {reason}"),
        other => other.to_string(),
    })
}

/// The program says what it was compiled without once it opens the database.
#[cfg(not(feature = "postgres"))]
fn check_postgres(_: &SecretUrl) -> Result<(), String> {
    Ok(())
}

fn sqlite_path(url: &str) -> Result<PathBuf, String> {
    let rest = url.get("sqlite:".len()..).unwrap_or_default();
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    // What the file is opened with anyway, and often copied along with a URL.
    let path = rest.strip_suffix("?mode=rwc").unwrap_or(rest);
    // Folders may be called anything: the data folder is one of them.
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || path.contains('\0') {
        Err("must name a file: sqlite:PATH".to_owned())
    } else if name.contains(":memory:") {
        Err("must name a file: a database in memory would lose what was accepted".to_owned())
    } else if name.contains('?') {
        Err("must be sqlite:PATH without parameters".to_owned())
    } else {
        Ok(PathBuf::from(path))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Two slashes at the beginning would be read as part of the scheme.
            Self::Sqlite { path } if path.as_os_str().as_encoded_bytes().starts_with(b"//") => {
                write!(f, "sqlite://{}", path.display())
            }
            Self::Sqlite { path } => write!(f, "sqlite:{}", path.display()),
            Self::Postgres { url } => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_decides() {
        let sqlite = |path: &str| Ok(DatabaseUrl::Sqlite { path: path.into() });
        assert_eq!(DatabaseUrl::parse("sqlite:a/b.db"), sqlite("a/b.db"));
        assert_eq!(DatabaseUrl::parse("sqlite:///var/b.db?mode=rwc"), sqlite("/var/b.db"));
        assert!(matches!(DatabaseUrl::parse("postgresql://h/d"), Ok(DatabaseUrl::Postgres { .. })));
        for bad in [
            "",
            "mysql://h/d",
            "b.db",
            "postgres:h",
            "sqlite:",
            "sqlite:a/",
            "sqlite:a\0b",
            "sqlite::memory:",
            "sqlite:x?cache=shared",
        ] {
            assert!(DatabaseUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_in_any_folder_is_shown_as_it_is_read() {
        for folder in ["a", "/var/lib/a log?", ":memory:", "//a", "///a", "a?mode=rwc", "postgres://b", "sqlite:"] {
            let url = DatabaseUrl::in_folder(Path::new(folder));
            assert_eq!(DatabaseUrl::parse(&url.to_string()), Ok(url), "{folder}");
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn what_the_driver_cannot_read_is_refused_without_its_secrets() {
        for bad in
            ["postgres://ann:hush@h:99999/x", "postgres://ann:hush@h:port/x", "postgres://ann:hush@h/x?sslmode=hush"]
        {
            let rule = DatabaseUrl::parse(bad).expect_err("not a URL");
            assert!(rule.contains("postgres://user:password@host:port/database"), "{rule}");
            assert!(!rule.contains("ann:hush"), "{rule}");
        }
    }
}
