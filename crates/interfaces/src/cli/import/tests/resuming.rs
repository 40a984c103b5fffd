use std::{
    collections::{BTreeSet, VecDeque},
    sync::Mutex,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    super::{ImportFailure, Stop, UseCaseImporter},
    fixture::{Fixture, Scripted, USER, export, import, row},
};

fn scripted<'a>(next: &'a UseCaseImporter, failures: impl Into<VecDeque<ImportFailure>>) -> Scripted<'a> {
    Scripted { next, failures: Mutex::new(failures.into()), stop_after: None }
}

fn transient(outcome_unknown: bool) -> ImportFailure {
    let reason = "the database is away".to_owned();
    ImportFailure::Transient { reason, retry_after: Duration::ZERO, outcome_unknown }
}

#[tokio::test]
async fn running_it_twice_imports_once() {
    let f = Fixture::new();
    let args = f.file("activities.csv", export(300));
    let first = f.import(&args).await;
    assert_eq!((first.imported, first.skipped, first.refused, first.stop), (300, 0, 0, Stop::Completed));
    let second = f.import(&args).await;
    assert_eq!((second.imported, second.skipped, second.refused, second.stop), (0, 300, 0, Stop::Completed));
    let stored = f.activities().await;
    assert_eq!(stored.len(), 300);
    assert!(stored.iter().all(|activity| activity.user_id == USER));
    assert_eq!(f.store.outbox().len(), 300, "one event each");
}

#[tokio::test]
async fn an_interrupted_import_is_resumed_by_running_it_again() {
    let f = Fixture::new();
    let args = f.file("activities.csv", export(500));
    let cancel = CancellationToken::new();
    let mut importer = scripted(&f.importer, []);
    importer.stop_after = Some((Mutex::new(200), cancel.clone()));
    let first = import(&args, &importer, &cancel).await.expect("an export");
    assert_eq!(first.stop, Stop::Interrupted);
    assert!((200..500).contains(&first.imported), "{first:?}");
    assert_eq!(f.activities().await.len() as u64, first.imported, "those under way were finished and counted");
    let second = f.import(&args).await;
    assert_eq!((second.imported + first.imported, second.skipped), (500, first.imported));
    assert_eq!(f.activities().await.len(), 500);
}

#[tokio::test]
async fn a_row_that_occurs_twice_is_imported_the_first_time() {
    let f = Fixture::new();
    let text = format!("{}{}\n{}\n", export(2), row(2, "Again", "60", "1"), row(1, "And again", "60", "1"));
    let report = f.import(&f.file("a.csv", text)).await;
    assert_eq!((report.imported, report.skipped), (2, 2));
    let titles: BTreeSet<String> = f.activities().await.iter().map(|a| a.title.as_str().to_owned()).collect();
    assert_eq!(titles, BTreeSet::from(["Morning Run".to_owned()]));
}

#[tokio::test]
async fn passing_trouble_is_waited_out() {
    let f = Fixture::new();
    let args = f.file("a.csv", export(5));
    let importer = scripted(&f.importer, [transient(false), transient(false)]);
    let report = import(&args, &importer, &CancellationToken::new()).await.expect("an export");
    assert_eq!(report.imported, 5);
}

#[tokio::test]
async fn a_row_whose_commit_was_unknown_and_is_found_stored_counts_as_imported() {
    let f = Fixture::new();
    let args = f.file("a.csv", export(1));
    let failures = [transient(true), ImportFailure::AlreadyImported];
    let report = import(&args, &scripted(&f.importer, failures), &CancellationToken::new()).await.expect("an export");
    assert_eq!((report.imported, report.skipped), (1, 0));
}

#[tokio::test]
async fn lasting_trouble_stops_the_import_which_can_be_resumed() {
    let f = Fixture::new();
    let args = f.file("a.csv", export(400));
    let failures = vec![transient(false); 64 * 3];
    let report = import(&args, &scripted(&f.importer, failures), &CancellationToken::new()).await.expect("an export");
    assert_eq!(report.stop, Stop::Failed("the database is away (tried 3 times)".to_owned()));
    assert!(report.imported < 400, "{report:?}");
    let resumed = f.import(&args).await;
    assert_eq!((resumed.imported + resumed.skipped, resumed.skipped), (400, report.imported));
}

#[tokio::test]
async fn a_defect_stops_at_once() {
    let f = Fixture::new();
    let args = f.file("a.csv", export(400));
    let failures = [ImportFailure::Fatal("the schema does not fit".to_owned())];
    let report = import(&args, &scripted(&f.importer, failures), &CancellationToken::new()).await.expect("an export");
    assert_eq!(report.stop, Stop::Failed("the schema does not fit".to_owned()));
    assert!(report.imported < 400, "{report:?}");
}
