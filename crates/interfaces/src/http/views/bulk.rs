use activelog_application::failures::{BulkReport, Remedy};
use serde::Serialize;
use utoipa::ToSchema;

use super::DeadLetterView;
use crate::http::cursor;

/// What was done about many dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BulkReport)]
pub(in crate::http) struct BulkView<'a> {
    /// `replay` or `discard`.
    #[schema(example = "replay")]
    action: &'static str,
    /// Whether nothing was done, and only looked at.
    dry_run: bool,
    /// How many dead letters were chosen when it began, or went on; counted up to 1,000,000.
    #[schema(example = 1200)]
    matched: u64,
    /// How many it was done to; 0 in a dry run.
    #[schema(example = 999)]
    done: u64,
    /// How many were no longer dead when their turn came.
    #[schema(example = 1)]
    skipped: u64,
    /// How many were not looked at.
    #[schema(example = 200)]
    remaining: u64,
    /// Send it as `cursor`, with the same filter, to go on; null when all were looked at, and in a dry run.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// The oldest of them, at most 20; only in a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    first: Vec<DeadLetterView<'a>>,
}

impl<'a> BulkView<'a> {
    pub(in crate::http) fn new(remedy: Remedy, dry_run: bool, report: &'a BulkReport) -> Self {
        Self {
            action: remedy.as_str(),
            dry_run,
            matched: report.matched,
            done: report.done,
            skipped: report.skipped,
            remaining: report.remaining(),
            next_cursor: if dry_run { None } else { report.next.map(cursor::bulk) },
            first: report.first.iter().map(DeadLetterView::listed).collect(),
        }
    }
}
