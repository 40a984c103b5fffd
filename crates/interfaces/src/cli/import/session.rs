use std::{
    fs::{self, File},
    io::{self, BufRead, BufWriter, Write},
    path::{Path, PathBuf},
};

use activelog_domain::user::UserId;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    HeaderError, ImportOptions, ImportReport, Importer, Progress, RefusalSink, RowEvent, Rows, SourceError, SourceFile,
    run,
};
use crate::cli::{ImportArgs, OutputFormat};

/// How many rows the reader is ahead.
const READ_AHEAD: usize = 256;

/// An import cannot begin. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read, or is something else.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its header is not that of an export.
    #[error("{}: {reason}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with the header.
        reason: HeaderError,
    },
    /// The report cannot be written.
    #[error("cannot write the report {}: {reason}", path.display())]
    Report {
        /// The report.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The system has no thread to read the file with.
    #[error("cannot start reading: {0}")]
    Thread(#[source] io::Error),
}

/// An import that is about to begin: the file is open and its header is good.
pub struct ImportSession {
    rows: Rows<Box<dyn BufRead + Send>>,
    progress: Progress,
    refusals: RefusalSink,
    dry_run: bool,
}

impl ImportSession {
    /// Opens everything that can be wrong, before anything is stored. With `--output json` the refused rows and the figures are
    /// written to `output` as one document. `now` is what dates are checked against.
    ///
    /// # Errors
    /// When the file is no export, or the report cannot be written.
    pub fn open(args: &ImportArgs, output: Box<dyn Write + Send>, now: Timestamp) -> Result<Self, ImportError> {
        let file = SourceFile::open(&args.file)?;
        let progress = Progress::new(&file);
        let unreadable =
            |error: io::Error| SourceError::Unreadable { path: args.file.clone(), reason: error.to_string() };
        let rows = Rows::open(file.text, UserId(args.user), now)
            .map_err(unreadable)?
            .map_err(|reason| ImportError::Header { path: args.file.clone(), reason })?;
        let mut refusals = RefusalSink::new();
        if let Some(path) = &args.report {
            refusals = report_file(path, &args.file)
                .and_then(|file| refusals.with_report(Box::new(BufWriter::new(file))))
                .map_err(|error| ImportError::Report { path: path.clone(), reason: error.to_string() })?;
        }
        if args.output == OutputFormat::Json {
            refusals = refusals.with_json(output);
        }
        Ok(Self { rows, progress, refusals, dry_run: args.dry_run })
    }

    /// Runs it; for a dry run, `importer` has to be a [`DryRun`](super::DryRun). Returns when every row was looked at, or something made it stop.
    ///
    /// # Errors
    /// When it cannot begin.
    pub async fn run(
        mut self,
        importer: &dyn Importer,
        options: &ImportOptions,
        cancel: &CancellationToken,
    ) -> Result<ImportReport, ImportError> {
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let rows = self.rows;
        // A thread of its own rather than one of the runtime's: one that waits for a pipe does not keep the process from ending.
        std::thread::Builder::new()
            .name("import-reader".to_owned())
            .spawn(move || send_all(rows, &sender))
            .map_err(ImportError::Thread)?;
        let mut report = run(receiver, importer, options, &mut self.refusals, &self.progress, cancel).await;
        if let Err(error) = self.refusals.finish(&report, self.dry_run) {
            report.stop = super::Stop::Failed(format!("cannot write the list of refused rows: {error}"));
        }
        Ok(report)
    }
}

fn send_all(rows: impl Iterator<Item = io::Result<RowEvent>>, sender: &mpsc::Sender<io::Result<RowEvent>>) {
    for row in rows {
        let last = row.is_err();
        if sender.blocking_send(row).is_err() || last {
            return;
        }
    }
}

/// Makes the report's file, unless it is the file that is being read.
fn report_file(path: &Path, source: &Path) -> io::Result<File> {
    if let (Ok(report), Ok(source)) = (fs::canonicalize(path), fs::canonicalize(source))
        && report == source
    {
        return Err(io::Error::other("it is the file to import"));
    }
    File::create(path)
}
