use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{FailedEvents, Remedy, page::PageTally};
use crate::ports::{DeadLetter, DeadLetterFilter, DeadLetterState, StorageError};

/// How many dead letters are read, and held in memory, at a time.
const PAGE: u32 = 200;

/// How many of them a dry run shows.
const SHOWN: u32 = 20;

/// How far a run over many goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkOptions {
    /// Only say what would be done.
    pub dry_run: bool,
    /// The most dead letters to look at.
    pub at_most: u64,
    /// After how long no further page is begun. `None`: however long it takes.
    pub within: Option<Duration>,
    /// Where an earlier run with the same filter has ended; a new one without it.
    pub resume: Option<BulkPoint>,
}

impl Default for BulkOptions {
    /// All of them, however long it takes.
    fn default() -> Self {
        Self { dry_run: false, at_most: u64::MAX, within: None, resume: None }
    }
}

/// How far a run has come. What dies after its beginning is not part of it, so that a run always ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkPoint {
    /// The last number looked at; 0 for none.
    pub after: i64,
    /// The last number to look at.
    pub last: i64,
    /// About how many are left.
    pub remaining: u64,
}

/// What a run over many has done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BulkReport {
    /// How many dead letters the filter chose when it began, or was resumed.
    pub matched: u64,
    /// How many the remedy was applied to: none in a dry run.
    pub done: u64,
    /// How many were no longer dead when their turn came.
    pub skipped: u64,
    /// Where to go on; `None` when all have been looked at.
    pub next: Option<BulkPoint>,
    /// The first of them, oldest first; only in a dry run.
    pub first: Vec<DeadLetter>,
}

impl BulkReport {
    /// How many have not been looked at.
    pub fn remaining(&self) -> u64 {
        self.next.map_or(0, |point| point.remaining)
    }
}

/// A run over many stopped because the storage failed. Running it again goes on.
#[derive(Debug, thiserror::Error)]
#[error("stopped after {}: {source}", report.done)]
pub struct BulkError {
    /// What was done until then.
    pub report: BulkReport,
    /// Why it stopped.
    pub source: StorageError,
}

impl FailedEvents {
    /// Does something about every dead letter that `filter` chooses and nothing was done about, oldest first; the filter's own state is not
    /// asked. Ends early, between two pages, when `cancel` is set or as `options` say. `progress` is told after every page.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn remedy_all(
        &self,
        remedy: Remedy,
        filter: &DeadLetterFilter,
        options: BulkOptions,
        cancel: &CancellationToken,
        progress: &mut (dyn FnMut(&BulkReport) + Send),
    ) -> Result<BulkReport, BulkError> {
        let mut report = BulkReport::default();
        match self.run(remedy, filter, options, cancel, progress, &mut report).await {
            Ok(()) => Ok(report),
            Err(source) => Err(BulkError { report, source }),
        }
    }

    async fn run(
        &self,
        remedy: Remedy,
        filter: &DeadLetterFilter,
        options: BulkOptions,
        cancel: &CancellationToken,
        progress: &mut (dyn FnMut(&BulkReport) + Send),
        report: &mut BulkReport,
    ) -> Result<(), StorageError> {
        let began = Instant::now();
        let dead = DeadLetterFilter { state: Some(DeadLetterState::Dead), ..filter.clone() };
        let start = match options.resume {
            Some(point) => Some(point),
            None => self.beginning(&dead).await?,
        };
        let Some(mut point) = start else { return Ok(()) };
        report.matched = point.remaining;
        report.next = Some(point);
        if options.dry_run {
            report.first = self.preview(&dead, options, point).await?;
            return Ok(());
        }
        progress(report);
        let mut looked_at = 0;
        let in_time = || options.within.is_none_or(|within| began.elapsed() < within);
        while looked_at < options.at_most && !cancel.is_cancelled() && (looked_at == 0 || in_time()) {
            let limit = u32::try_from(options.at_most - looked_at).unwrap_or(PAGE).min(PAGE);
            let mut page = self.dead_letters.oldest(&dead, Some(point.after), limit).await?;
            page.retain(|letter| letter.id <= point.last);
            let Some(after) = page.last().map(|letter| letter.id) else {
                report.next = None;
                break;
            };
            let read = page.len() as u64;
            let PageTally { done, skipped, failure } = self.remedy_page(remedy, page).await;
            report.done += done;
            report.skipped += skipped;
            if let Some(failure) = failure {
                return Err(failure);
            }
            looked_at += read;
            point = BulkPoint { after, remaining: point.remaining.saturating_sub(read), ..point };
            report.next = (after < point.last).then_some(point);
            progress(report);
            if report.next.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The first of those that a run would look at.
    async fn preview(
        &self,
        dead: &DeadLetterFilter,
        options: BulkOptions,
        point: BulkPoint,
    ) -> Result<Vec<DeadLetter>, StorageError> {
        let shown = u32::try_from(options.at_most.min(SHOWN.into())).unwrap_or(SHOWN);
        let mut first = self.dead_letters.oldest(dead, Some(point.after), shown).await?;
        first.retain(|letter| letter.id <= point.last);
        Ok(first)
    }

    /// Where a run begins; `None` when the filter chooses nothing.
    async fn beginning(&self, dead: &DeadLetterFilter) -> Result<Option<BulkPoint>, StorageError> {
        let newest = self.dead_letters.list(dead, None, 1).await?;
        let Some(last) = newest.items.first().map(|letter| letter.id) else { return Ok(None) };
        let remaining = self.dead_letters.count(dead).await?.max(1);
        Ok(Some(BulkPoint { after: 0, last, remaining }))
    }
}
