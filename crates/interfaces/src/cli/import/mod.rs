//! Import of the `activities.csv` of a Strava bulk export.
//!
//! The way of a row: [`SourceFile`] opens the file, plain or gzipped → [`RecordReader`] cuts it into records in bounded memory →
//! `columns` finds cells by the names of the header → `row` makes a draft of them, in the types of the domain → [`run`] hands drafts to
//! an [`Importer`] (the use case), many at once, results in order. A row that is refused is reported with its line and reason, and the
//! next one is taken.
//!
//! # Which distance, which time
//! Strava's header names `Elapsed Time`, `Moving Time` and `Distance` twice: first as displayed (kilometres), then exact (seconds and
//! metres). The second is taken where it has a value, otherwise the first; a name that occurs once is taken as displayed. Where the two
//! distances of a row differ a thousandfold the other way round, somebody has reordered the columns, and the larger one is metres.
//! Seconds are seconds in both, and become minutes, rounded up.
//!
//! # Running it again
//! The id of every imported row is stored in the transaction of its activity. A row that was imported before is skipped, so an import
//! that was interrupted is resumed by running it again.

mod columns;
mod dates;
mod importer;
mod numbers;
mod outcome;
mod progress;
mod record;
mod refusals;
mod row;
mod rows;
mod run;
mod session;
mod source_file;
#[cfg(test)]
mod tests;
mod use_case;

pub use columns::{Columns, HeaderError};
pub use importer::{DryRun, ImportFailure, Importer};
pub use outcome::{ImportReport, Refusal, Stop};
pub use progress::Progress;
pub use record::{MAX_RECORD, Record, RecordError, RecordReader};
pub use refusals::RefusalSink;
pub use row::ImportRow;
pub use rows::{RowEvent, Rows};
pub use run::{ImportOptions, run};
pub use session::{ImportError, ImportSession};
pub use source_file::{SourceError, SourceFile};
pub use use_case::UseCaseImporter;
