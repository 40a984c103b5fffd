use activelog_application::ports::JournalCursor;
use anyhow::ensure;

use super::Storage;

/// Has the workers' group begin at the journal's first event, as long as there is none. A group that is new to a journal with events is refused: they were
/// delivered by another broker, and from the beginning they would be handled again as far as the inbox has forgotten them, and too late by
/// handlers that are younger than they are.
pub(super) async fn ensure_begun(group: &str, storage: &Storage) -> anyhow::Result<()> {
    // Heads first: whoever writes to the journal has its group known before.
    let empty = storage.journal.heads().await? == JournalCursor::default();
    if storage.positions.is_known(group).await? {
        return Ok(());
    }
    ensure!(
        empty,
        "the group {group} is new to the journal, which holds events already: they were delivered by another broker, or to a group of another name.\n  \
         When every one of them has been handled, run: activelog groups begin {group} --from now --broker-url database:\n  \
         When none of them has, the same with --from beginning. docs/moving-brokers.md tells how to find out"
    );
    storage.positions.join(group, &JournalCursor::default()).await?;
    Ok(())
}
