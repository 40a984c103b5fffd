use super::Record;
use crate::cli::terminal::one_line;

/// How many of the columns found a message repeats.
const SHOWN: usize = 20;

/// A header lacks a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the column {missing:?} is missing; {found}")]
pub struct HeaderError {
    /// The name that was looked for.
    pub missing: &'static str,
    /// What the header holds.
    pub found: String,
}

/// Where the columns are: found by name, in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub(super) width: usize,
    pub(super) id: usize,
    pub(super) date: usize,
    pub(super) name: usize,
    pub(super) kind: usize,
    pub(super) description: Option<usize>,
    pub(super) notes: Option<usize>,
    pub(super) elapsed: Twice,
    pub(super) moving: Option<Twice>,
    pub(super) distance: Option<Twice>,
    pub(super) calories: Option<usize>,
}

/// A column whose name may occur twice: as displayed, and exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Twice {
    pub(super) displayed: usize,
    pub(super) exact: Option<usize>,
}

impl Columns {
    /// Finds the columns in a header.
    ///
    /// # Errors
    /// When one that is needed is missing.
    pub fn find(header: &Record) -> Result<Self, HeaderError> {
        let names: Vec<String> = header.cells().map(|c| String::from_utf8_lossy(c).trim().to_owned()).collect();
        let places = |name: &str| {
            let mut all = names.iter().enumerate().filter(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(i, _)| i);
            all.next().map(|displayed| Twice { displayed, exact: all.next() })
        };
        let first = |name: &str| places(name).map(|twice| twice.displayed);
        let missing = |missing: &'static str| HeaderError { missing, found: describe(&names) };
        let needed = |name: &'static str| first(name).ok_or_else(|| missing(name));
        Ok(Self {
            width: names.len(),
            id: needed("Activity ID")?,
            date: needed("Activity Date")?,
            name: needed("Activity Name")?,
            kind: needed("Activity Type")?,
            description: first("Activity Description"),
            notes: first("Activity Private Note"),
            elapsed: places("Elapsed Time").ok_or_else(|| missing("Elapsed Time"))?,
            moving: places("Moving Time"),
            distance: places("Distance"),
            calories: first("Calories"),
        })
    }
}

fn describe(names: &[String]) -> String {
    let name = |name: &String| one_line(&name.chars().take(40).collect::<String>());
    let mut found = names.iter().take(SHOWN).map(name).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        found.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    match names {
        [only] if only.contains(';') || only.contains('\t') => {
            "the columns must be separated by commas, as Strava exports them".to_owned()
        }
        [] => "the header is empty".to_owned(),
        _ => format!("found: {found}. Columns are called by their English names"),
    }
}
