use std::{
    io::{self, Write},
    time::Duration,
};

use activelog_application::ports::{JOURNAL_PAGE_MAX, Journal, JournalCursor, StorageError};
use tokio_util::sync::CancellationToken;

use super::format::write_entry;
use crate::cli::{TailArgs, TailFrom};

/// How often the journal is looked at while following: other processes write to it and cannot ring.
const POLL: Duration = Duration::from_millis(250);

/// Printing events failed.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The journal cannot be read.
    #[error("cannot read the journal: {0}")]
    Journal(#[from] StorageError),
    /// What was read cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Prints events of the journal as `args` say, until there are no more, or for ever when following; `cancel` ends it between
/// two pages. A reader of the output that goes away (`| head`) ends it too. While following, trouble with the journal that
/// may pass is waited out.
///
/// # Errors
/// When the journal cannot be read or the output not be written.
pub async fn tail(
    journal: &dyn Journal,
    args: &TailArgs,
    output: &mut (dyn Write + Send),
    cancel: &CancellationToken,
) -> Result<(), TailError> {
    match cancel.run_until_cancelled(print(journal, args, output)).await {
        Some(Err(TailError::Output(error))) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Some(result) => result,
        None => Ok(()),
    }
}

async fn print(journal: &dyn Journal, args: &TailArgs, output: &mut (dyn Write + Send)) -> Result<(), TailError> {
    let from = args.from.unwrap_or(if args.follow { TailFrom::Now } else { TailFrom::Beginning });
    let mut cursor = match from {
        TailFrom::Beginning => JournalCursor::default(),
        TailFrom::Now => journal.heads().await?,
    };
    let mut left = args.limit.unwrap_or(u64::MAX);
    loop {
        let page = match journal.read_all(&cursor, JOURNAL_PAGE_MAX).await {
            Ok(page) => page,
            Err(error) if args.follow && error.is_transient() => {
                tracing::warn!(%error, "the journal cannot be read at the moment; trying again");
                tokio::time::sleep(error.retry_after().unwrap_or(POLL)).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for entry in &page {
            if let Some(position) = cursor.0.get_mut(usize::from(entry.partition.0)) {
                *position = entry.position;
            }
            let wanted = args.types.is_empty() || args.types.iter().any(|p| p.matches(&entry.event.name));
            if wanted {
                write_entry(output, args.output, entry)?;
                left = left.saturating_sub(1);
            }
            if left == 0 {
                return Ok(output.flush()?);
            }
        }
        output.flush()?;
        if page.is_empty() {
            if !args.follow {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
