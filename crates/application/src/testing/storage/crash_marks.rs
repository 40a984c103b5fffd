use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Storage, case::Checked, failures::insist, samples::any_id};

cases!("crash marks":
    marks_are_counted_and_erased_by_handler_and_event,
    marks_made_at_once_all_count,
    runs_are_those_of_their_group_until_they_have_ended,
    a_run_that_goes_on_says_so,
);

async fn marks_are_counted_and_erased_by_handler_and_event(storage: Storage) -> Checked {
    let (one, other) = (any_id(), any_id());
    let marks = &storage.crash_marks;
    ensure_eq!(marks.left("handler", one).await?, 0, "an event that nobody has marked");
    for n in 1..=3 {
        marks.mark("handler", one).await?;
        ensure_eq!(marks.left("handler", one).await?, n, "marks");
    }
    marks.mark("another", one).await?;
    marks.mark("handler", other).await?;
    marks.erase("handler", one).await?;
    for (handler, event, expected) in [("handler", one, 0), ("another", one, 1), ("handler", other, 1)] {
        ensure_eq!(marks.left(handler, event).await?, expected, "marks after one was erased");
    }
    marks.erase("handler", one).await?;
    marks.mark("handler", one).await?;
    ensure_eq!(marks.left("handler", one).await?, 1, "a mark after all were erased");
    Ok(())
}

async fn marks_made_at_once_all_count(storage: Storage) -> Checked {
    let event = any_id();
    let tasks = (0..8).map(|_| {
        let marks = storage.crash_marks.clone();
        tokio::spawn(async move { insist(|| marks.mark("handler", event)).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    ensure_eq!(storage.crash_marks.left("handler", event).await?, 8, "marks");
    Ok(())
}

async fn runs(storage: &Storage, group: &str) -> Checked<BTreeSet<Uuid>> {
    let runs = storage.crash_marks.runs(group).await?;
    let found: BTreeSet<Uuid> = runs.iter().map(|(run, _)| *run).collect();
    ensure_eq!(found.len(), runs.len(), "runs, each of them once");
    Ok(found)
}

async fn runs_are_those_of_their_group_until_they_have_ended(storage: Storage) -> Checked {
    let (one, two, three) = (any_id(), any_id(), any_id());
    ensure_eq!(runs(&storage, "group").await?, BTreeSet::new(), "runs of a group that nobody knows");
    for (group, run) in [("group", one), ("group", two), ("group", one), ("other", three)] {
        storage.crash_marks.running(group, run).await?;
    }
    ensure_eq!(runs(&storage, "group").await?, BTreeSet::from([one, two]), "runs");
    storage.crash_marks.ended("group", &[]).await?;
    storage.crash_marks.ended("group", &[three, any_id()]).await?;
    ensure_eq!(runs(&storage, "group").await?, BTreeSet::from([one, two]), "runs, when those of others have ended");
    ensure_eq!(runs(&storage, "other").await?, BTreeSet::from([three]), "runs of the other group");
    storage.crash_marks.ended("group", &[one, two]).await?;
    ensure_eq!(runs(&storage, "group").await?, BTreeSet::new(), "runs, when all have ended");
    ensure_eq!(runs(&storage, "other").await?, BTreeSet::from([three]), "runs of the other group, still");
    Ok(())
}

async fn a_run_that_goes_on_says_so(storage: Storage) -> Checked {
    let (going, silent) = (any_id(), any_id());
    for run in [going, silent] {
        storage.crash_marks.running("group", run).await?;
    }
    let seen = async |run: Uuid| -> Checked<jiff::Timestamp> {
        let runs = storage.crash_marks.runs("group").await?;
        Ok(runs.iter().find(|(found, _)| *found == run).ok_or("the run is not there")?.1)
    };
    let before = (seen(going).await?, seen(silent).await?);
    // A storage's time may stand still for as long as its clock is coarse.
    while seen(going).await? <= before.0 {
        storage.crash_marks.running("group", going).await?;
        tokio::task::yield_now().await;
    }
    ensure_eq!(seen(silent).await?, before.1, "when the silent run was last seen");
    Ok(())
}
