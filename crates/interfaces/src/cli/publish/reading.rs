use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::{Path, PathBuf},
};

use activelog_domain::event::EventEnvelope;
use tokio::sync::mpsc;

use super::{
    LineParser,
    lines::{LINE_MAX, Line, Lines},
};

/// The most that is held of an input that can be read only once and has to be looked at twice.
const HELD_MAX: u64 = 256 << 20;

/// Where lines come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Standard,
}

/// The input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The system refuses.
    #[error("cannot read {name}: {source}")]
    Unreadable {
        /// What.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It cannot be checked before it is sent.
    #[error(
        "there are more than {} MiB on {name}: they cannot be looked at before they are sent; give a file, or --keep-going",
        HELD_MAX >> 20
    )]
    TooMuch {
        /// What.
        name: String,
    },
}

/// What the reader hands over.
#[derive(Debug)]
pub(super) enum Fed {
    /// An event, and the line it stands on.
    Event(u64, Box<EventEnvelope>),
    /// A line that is no event, and why.
    Refused(u64, String),
    /// The end: everything was handed over.
    End,
    /// The end: some lines are no events, and therefore nothing was handed over.
    Unsound,
    /// The input cannot be read to its end.
    Failed(SourceError),
}

impl Source {
    /// Of a path; without one, or with `-`, standard input.
    pub fn of(path: Option<&Path>) -> Self {
        match path {
            Some(path) if path != Path::new("-") => Self::File(path.to_owned()),
            _ => Self::Standard,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Standard => "standard input".to_owned(),
        }
    }

    fn failed(&self) -> impl Fn(io::Error) -> SourceError {
        let name = self.name();
        move |source| SourceError::Unreadable { name: name.clone(), source }
    }

    fn open(&self) -> Result<Box<dyn BufRead>, SourceError> {
        Ok(match self {
            Self::File(path) => Box::new(BufReader::new(File::open(path).map_err(self.failed())?)),
            Self::Standard => Box::new(BufReader::new(io::stdin())),
        })
    }

    /// Whether it is the same when it is opened again.
    fn is_kept(&self) -> bool {
        matches!(self, Self::File(path) if path.is_file())
    }

    /// Reads all of it into memory.
    fn hold(&self) -> Result<Vec<u8>, SourceError> {
        let mut held = Vec::new();
        let read = self.open()?.take(HELD_MAX + 1).read_to_end(&mut held).map_err(self.failed())?;
        match read as u64 > HELD_MAX {
            true => Err(SourceError::TooMuch { name: self.name() }),
            false => Ok(held),
        }
    }
}

/// Reads a source to its end and hands over what is on its lines. With `check` it is looked at as a whole first, and nothing is handed over but
/// refusals if a line is no event. Blocks; ends early when nobody listens.
pub(super) fn feed(source: &Source, check: bool, parser: &LineParser, to: &mpsc::Sender<Fed>) {
    let end = read(source, check, parser, to).unwrap_or_else(|error| Some(Fed::Failed(error)));
    if let Some(end) = end {
        // Nobody listens any more, then.
        let _gone = to.blocking_send(end);
    }
}

/// `None` when nobody listens.
fn read(source: &Source, check: bool, parser: &LineParser, to: &mpsc::Sender<Fed>) -> Result<Option<Fed>, SourceError> {
    let held = if check && !source.is_kept() { Some(source.hold()?) } else { None };
    let open = || -> Result<Box<dyn BufRead>, SourceError> {
        match &held {
            Some(held) => Ok(Box::new(Cursor::new(held.clone()))),
            None => source.open(),
        }
    };
    if check {
        let (mut lines, mut sound) = (Lines::new(open()?, LINE_MAX), true);
        while let Some((number, line)) = lines.next().map_err(source.failed())? {
            if let Err(reason) = parsed(parser, &line) {
                sound = false;
                if to.blocking_send(Fed::Refused(number, reason)).is_err() {
                    return Ok(None);
                }
            }
        }
        if !sound {
            return Ok(Some(Fed::Unsound));
        }
    }
    let mut lines = Lines::new(open()?, LINE_MAX);
    while let Some((number, line)) = lines.next().map_err(source.failed())? {
        let fed = match parsed(parser, &line) {
            Ok(event) => Fed::Event(number, Box::new(event)),
            Err(reason) => Fed::Refused(number, reason),
        };
        if to.blocking_send(fed).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(Fed::End))
}

fn parsed(parser: &LineParser, line: &Line) -> Result<EventEnvelope, String> {
    match line {
        Line::Whole(line) => parser.parse(line).map_err(|error| error.to_string()),
        Line::TooLong => Err(format!("it is longer than {} MiB", LINE_MAX >> 20)),
    }
}
