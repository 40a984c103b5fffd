use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use activelog_interfaces::cli::GlobalFlags;
use config::{FileFormat, Format, Map, Value, ValueKind};

use super::{ConfigError, Origin, Problem, yaml_bounds};

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "activelog.toml";

/// The largest file, in bytes.
const FILE_MAX: u64 = 1024 * 1024;

/// What variables of sections begin with.
const PREFIX: &str = "ACTIVELOG__";

/// What the short variables begin with.
const SHORT_PREFIX: &str = "ACTIVELOG_";

/// The short variables, without their prefix.
const SHORT: [&str; 5] = ["CONFIG", "DATA_DIR", "LISTEN", "DATABASE_URL", "BROKER_URL"];

/// The section that holds sections.
const NESTED: &str = "handlers";

/// How many slips of the keyboard make another name out of a short one. Names further away are not looked at: orchestrators make
/// up such names (`ACTIVELOG_PORT`) for a service called `activelog`.
const SLIPS: usize = 2;

/// A value as somebody gave it.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// The key as they wrote it.
    pub(super) written: String,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// All values given for keys, and what was wrong with how they were given.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) given: BTreeMap<String, Given>,
    pub(super) problems: Vec<Problem>,
}

/// The environment, as the loader is handed it.
pub(super) struct Environment(pub(super) Vec<(OsString, OsString)>);

impl Environment {
    /// The value of a variable. One that is empty counts as not set: that is how compose files leave one out.
    fn get(&self, name: &str) -> Option<&OsStr> {
        let set = |(n, v): &&(OsString, OsString)| n == name && !v.is_empty();
        self.0.iter().find(set).map(|(_, value)| value.as_os_str())
    }
}

impl Layers {
    /// Puts the layers together, each over those before it.
    pub(super) fn collect(flags: &GlobalFlags, environment: &Environment, folder: &Path) -> Result<Self, ConfigError> {
        let mut layers = Self::default();
        if let Some((path, origin)) = file_to_read(flags, environment, folder) {
            let table = read_file(&path, &origin)?;
            layers.file(&mut Vec::new(), table, &Origin::File(path));
        }
        layers.environment(environment);
        layers.globals(flags, environment);
        Ok(layers)
    }

    fn file(&mut self, path: &mut Vec<String>, table: Map<String, Value>, origin: &Origin) {
        for (name, value) in table {
            path.push(name);
            match value.kind {
                // An empty one sets nothing; it is kept so that its name is looked at.
                ValueKind::Table(inner) if is_section(path) && !inner.is_empty() => self.file(path, inner, origin),
                _ => self.put(path.join("."), path.join("."), value, origin.clone()),
            }
            path.pop();
        }
    }

    fn environment(&mut self, environment: &Environment) {
        for (name, value) in environment.0.iter().filter(|(_, value)| !value.is_empty()) {
            let Some(name) = name.to_str() else { continue };
            let origin = Origin::Environment(name.to_owned());
            if let Some(key) = name.strip_prefix(PREFIX) {
                self.text(key.to_ascii_lowercase().replace("__", "."), name.to_owned(), value, origin);
            } else if let Some(meant) = name.strip_prefix(SHORT_PREFIX).and_then(misspelt) {
                let nearest = Some(format!("{SHORT_PREFIX}{meant}"));
                self.problems.push(Problem::UnknownKey { key: name.to_owned(), origin, nearest });
            }
        }
    }

    fn globals(&mut self, flags: &GlobalFlags, environment: &Environment) {
        for (key, variable, flag, value) in [
            ("storage.data_dir", "ACTIVELOG_DATA_DIR", "--data-dir", flags.data_dir.as_deref().map(Path::as_os_str)),
            ("server.listen", "ACTIVELOG_LISTEN", "--listen", flags.listen.as_deref().map(OsStr::new)),
            (
                "storage.database_url",
                "ACTIVELOG_DATABASE_URL",
                "--database-url",
                flags.database_url.as_deref().map(OsStr::new),
            ),
            ("broker.url", "ACTIVELOG_BROKER_URL", "--broker-url", flags.broker_url.as_deref().map(OsStr::new)),
        ] {
            if let Some(value) = value {
                self.text(key.to_owned(), flag.to_owned(), value, Origin::Flag(flag));
            } else if let Some(value) = environment.get(variable) {
                self.text(key.to_owned(), variable.to_owned(), value, Origin::Environment(variable.to_owned()));
            }
        }
    }

    fn text(&mut self, key: String, written: String, value: &OsStr, origin: Origin) {
        match value.to_str() {
            Some(text) => self.put(key, written, Value::new(None, text), origin),
            None => {
                let rule = "must be valid UTF-8".to_owned();
                self.problems.push(Problem::BadValue { key, rule, value: "other bytes".to_owned(), origin });
            }
        }
    }

    fn put(&mut self, key: String, written: String, value: Value, origin: Origin) {
        self.given.insert(key, Given { written, value, origin });
    }
}

/// The short variable that was meant by a name that is nearly one.
fn misspelt(name: &str) -> Option<&'static str> {
    let slips = |short: &&str| strsim::damerau_levenshtein(name, short);
    SHORT.into_iter().min_by_key(slips).filter(|nearest| (1..=SLIPS).contains(&slips(nearest)))
}

/// The file that is named, or the default one if it exists.
fn file_to_read(flags: &GlobalFlags, environment: &Environment, folder: &Path) -> Option<(PathBuf, Origin)> {
    const VARIABLE: &str = "ACTIVELOG_CONFIG";
    if let Some(path) = &flags.config {
        return Some((folder.join(path), Origin::Flag("--config")));
    }
    if let Some(path) = environment.get(VARIABLE) {
        return Some((folder.join(path), Origin::Environment(VARIABLE.to_owned())));
    }
    let path = folder.join(DEFAULT_FILE);
    // Anything but "there is none" is for the reading to report.
    let there = !matches!(fs::symlink_metadata(&path), Err(error) if error.kind() == io::ErrorKind::NotFound);
    there.then(|| (path.clone(), Origin::Default))
}

fn read_file(path: &Path, origin: &Origin) -> Result<Map<String, Value>, ConfigError> {
    let malformed = |reason: String| ConfigError::Malformed { path: path.to_owned(), reason };
    let unreadable = |reason: String| ConfigError::Unreadable { path: path.to_owned(), origin: origin.clone(), reason };
    let format = match path.extension().and_then(OsStr::to_str) {
        Some("toml") => FileFormat::Toml,
        Some("yaml" | "yml") => FileFormat::Yaml,
        _ => return Err(unreadable("its name must end in .toml, .yaml or .yml".to_owned())),
    };
    let bytes = bounded(path).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if matches!(format, FileFormat::Yaml) {
        yaml_bounds::check(text).map_err(malformed)?;
    }
    format.parse(None, text).map_err(|error| malformed(without_source(&error.to_string())))
}

/// The whole file, unless it is larger than a configuration can be.
fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(bytes)
}

/// A parser's message without the lines of the file that it quotes: they may hold a password.
fn without_source(message: &str) -> String {
    let quoted = |line: &&str| {
        let rest = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
        rest.trim_start().starts_with('|')
    };
    message.lines().filter(|line| !quoted(line) && !line.trim().is_empty()).collect::<Vec<_>>().join(": ")
}

/// Whether keys stand below this: a section, or one of the sections of handlers.
fn is_section(path: &[String]) -> bool {
    match path {
        [_] => true,
        [nested, _] => nested == NESTED,
        _ => false,
    }
}
