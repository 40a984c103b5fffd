use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::read::MultiGzDecoder;

/// How much is read at a time.
const BUFFER: usize = 64 * 1024;

/// How much of a file tells what it is: at least as much as any of [`FOREIGN`].
const START: usize = 16;

/// What files of other kinds begin with, and what to do about them.
const FOREIGN: [(&[u8], &str); 5] = [
    (b"PK\x03\x04", "it is a ZIP archive: unpack it and import the activities.csv inside"),
    (b"\xff\xfe", "it is UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "it is UTF-16: save it as UTF-8"),
    (b"%PDF", "it is a PDF document"),
    (b"SQLite format 3", "it is a SQLite database"),
];

/// A file to import cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The system refuses.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is something else.
    #[error("{} is not a CSV file: {reason}", path.display())]
    NotCsv {
        /// Which.
        path: PathBuf,
        /// What it is.
        reason: String,
    },
}

/// An opened file, decompressed on the way where it is gzipped.
pub struct SourceFile {
    /// The text.
    pub text: Box<dyn BufRead + Send>,
    /// How many bytes of the file as it is on disk have been read.
    pub position: Arc<AtomicU64>,
    /// How many there are; 0 where that is unknown, as of a pipe.
    pub size: u64,
}

impl SourceFile {
    /// Opens a file. Whether it is gzipped is decided by its first bytes; one called `.gz` that is not is refused.
    ///
    /// # Errors
    /// When it cannot be read, or is obviously something else.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let unreadable = |reason: String| SourceError::Unreadable { path: path.to_owned(), reason };
        let not_csv = |reason: &str| SourceError::NotCsv { path: path.to_owned(), reason: reason.to_owned() };
        let file = File::open(path).map_err(|error| unreadable(reason(&error)))?;
        let metadata = file.metadata().map_err(|error| unreadable(error.to_string()))?;
        if metadata.is_dir() {
            return Err(unreadable("it is a folder; name the activities.csv in it".to_owned()));
        }
        let position = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner: file, position: position.clone() };
        let raw = BufReader::with_capacity(BUFFER, counted);
        let (start, raw) = beginning(raw).map_err(|error| unreadable(error.to_string()))?;
        let gzipped = start.starts_with(&[0x1f, 0x8b]);
        if start.is_empty() {
            return Err(not_csv("it is empty"));
        }
        if !gzipped && path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz")) {
            return Err(not_csv("its name says gzip, its content does not"));
        }
        let text: Box<dyn BufRead + Send> =
            if gzipped { Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(raw))) } else { Box::new(raw) };
        let (start, text) = beginning(text).map_err(|error| unreadable(format!("damaged gzip data: {error}")))?;
        if let Some((_, reason)) = FOREIGN.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(not_csv(reason));
        }
        Ok(Self { text: Box::new(text), position, size: metadata.len() })
    }
}

/// An input of which the beginning was read already.
type Again<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

/// The first bytes, and the whole again. A pipe, or a gzip member, may give them one by one.
fn beginning<R: BufRead>(mut input: R) -> io::Result<(Vec<u8>, Again<R>)> {
    let mut start = Vec::with_capacity(START);
    input.by_ref().take(START as u64).read_to_end(&mut start)?;
    let whole = io::Cursor::new(start.clone()).chain(input);
    Ok((start, whole))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.position.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
