use std::{
    collections::VecDeque,
    fs,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use activelog_application::{
    activity::{
        ActivityLog,
        ports::{ActivityFilter, KeysetPage, Queries},
    },
    orchestrator::{Orchestrator, OrchestratorOptions},
    testing::{FakeClock, MemoryRepositories, SequentialIds},
};
use activelog_domain::{activity::Activity, user::UserId};
use async_trait::async_trait;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::{
    ImportError, ImportFailure, ImportOptions, ImportReport, ImportRow, ImportSession, Importer, UseCaseImporter,
};
use crate::cli::{ImportArgs, OutputFormat, Source};

pub(super) const USER: UserId = UserId(Uuid::from_u128(7));

/// The header of a Strava bulk export, in its order, with the names that occur twice.
pub(super) const HEADER: &str = "Activity ID,Activity Date,Activity Name,Activity Type,Activity Description,\
Elapsed Time,Distance,Max Heart Rate,Relative Effort,Commute,Activity Private Note,Activity Gear,Filename,\
Athlete Weight,Bike Weight,Elapsed Time,Moving Time,Distance,Max Speed,Average Speed,Elevation Gain,Elevation Loss,\
Elevation Low,Elevation High,Max Grade,Average Grade,Average Positive Grade,Average Negative Grade,Max Cadence,\
Average Cadence,Max Heart Rate,Average Heart Rate,Max Watts,Average Watts,Calories,Max Temperature,\
Average Temperature,Relative Effort,Total Work,Number of Runs,Uphill Time,Downhill Time,Other Time,Perceived Exertion,\
Media";

pub(super) fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a valid instant")
}

/// A row in the order of [`HEADER`].
pub(super) fn row(id: impl std::fmt::Display, name: &str, seconds: &str, metres: &str) -> String {
    format!(
        "{id},\"Mar 12, 2024, 6:00:00 PM\",{name},Run,,{seconds},5.01,172,55,false,,Shoes,activities/{id}.fit.gz,\
70.0,,{seconds}.0,{seconds}.0,{metres},4.9,3.1,12.3,11.9,101.2,118.7,9.1,0.02,,,95,84.5,172,151.3,,,371.6,,\
24,55,,,,,,,media/{id}.jpg"
    )
}

/// A file with the full header and so many rows.
pub(super) fn export(rows: u64) -> String {
    let mut text = format!("{HEADER}\n");
    for id in 1..=rows {
        text.push_str(&row(id, "Morning Run", "1801", "5012.3"));
        text.push('\n');
    }
    text
}

/// A store, and files to import into it.
pub(super) struct Fixture {
    pub(super) folder: TempDir,
    pub(super) store: MemoryRepositories,
    pub(super) importer: UseCaseImporter,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let store = MemoryRepositories::new();
        let orchestrator = Orchestrator::new(
            Arc::new(store.clone()),
            Arc::new(FakeClock::new(now())),
            Arc::new(SequentialIds::default()),
            OrchestratorOptions::default(),
        );
        let log = ActivityLog::new(orchestrator).expect("chains that fit together");
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, store, importer: UseCaseImporter::new(log, Source::Strava) }
    }

    pub(super) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> ImportArgs {
        let file = self.folder.path().join(name);
        fs::write(&file, bytes).expect("a writable folder");
        args(file)
    }

    pub(super) async fn import(&self, args: &ImportArgs) -> ImportReport {
        import(args, &self.importer, &CancellationToken::new()).await.expect("an export")
    }

    pub(super) async fn activities(&self) -> Vec<Activity> {
        let page = KeysetPage { after: None, limit: 100_000 };
        self.store.activities(&ActivityFilter::default(), page).await.expect("activities")
    }
}

pub(super) fn args(file: PathBuf) -> ImportArgs {
    let (user, source, output) = (USER.0, Source::Strava, OutputFormat::Text);
    ImportArgs { file, user, source, output, report: None, dry_run: false }
}

/// Few attempts without pauses: tests wait for nothing.
pub(super) fn options() -> ImportOptions {
    let first_pause = Duration::ZERO;
    ImportOptions { attempts: 3, first_pause, longest_pause: Duration::ZERO, ..ImportOptions::default() }
}

pub(super) async fn import(
    args: &ImportArgs,
    importer: &dyn Importer,
    cancel: &CancellationToken,
) -> Result<ImportReport, ImportError> {
    ImportSession::open(args, Box::new(std::io::sink()), now())?.run(importer, &options(), cancel).await
}

/// Answers with what it is told to; afterwards asks for a stop after so many rows, and hands rows on.
pub(super) struct Scripted<'a> {
    pub(super) next: &'a UseCaseImporter,
    pub(super) failures: Mutex<VecDeque<ImportFailure>>,
    pub(super) stop_after: Option<(Mutex<u64>, CancellationToken)>,
}

#[async_trait]
impl Importer for Scripted<'_> {
    async fn import(&self, row: &ImportRow) -> Result<(), ImportFailure> {
        let failure = self.failures.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some(failure) = failure {
            return Err(failure);
        }
        if let Some((left, cancel)) = &self.stop_after {
            let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
            *left = left.saturating_sub(1);
            if *left == 0 {
                cancel.cancel();
            }
        }
        self.next.import(row).await
    }
}

/// Somewhere to write that can be looked at.
#[derive(Clone, Default)]
pub(super) struct Buffer(pub(super) Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
