//! Many dead letters: order, bounds, resuming.

use std::{collections::BTreeMap, time::Duration};

use activelog_application::{
    failures::{BulkOptions, BulkReport, Remedy},
    ports::{DeadLetterFilter, DeadLetterState, DeadLetters, StorageErrorKind},
};
use tokio_util::sync::CancellationToken;

use crate::setting::{FIRST_DEATH, Setting};

/// Replays as `options` say; answers the report and how often progress was told.
async fn replay(setting: &Setting, filter: &DeadLetterFilter, options: BulkOptions) -> (BulkReport, usize) {
    let (never, mut told) = (CancellationToken::new(), 0);
    let mut progress = |_: &BulkReport| told += 1;
    let run = setting.failed.remedy_all(Remedy::Replay, filter, options, &never, &mut progress).await;
    (run.expect("memory can be changed"), told)
}

fn all() -> DeadLetterFilter {
    DeadLetterFilter::default()
}

/// Asserts that the letters of each lane were replayed in ascending order. Letters go to lanes in turn.
fn in_order(replayed: &[i64], lanes: i64) {
    let mut last = BTreeMap::new();
    for id in replayed {
        let before = last.insert(id % lanes, *id).unwrap_or(0);
        assert!(before < *id, "{before} was replayed before {id}: {replayed:?}");
    }
}

#[tokio::test]
async fn all_are_replayed_once_and_each_lane_in_its_order() {
    let setting = Setting::with(1_234, 7).await;
    let (report, told) = replay(&setting, &all(), BulkOptions::default()).await;
    assert_eq!((report.matched, report.done, report.skipped, report.remaining()), (1_234, 1_234, 0, 0));
    assert_eq!(told, 8, "the beginning, and seven pages");
    let mut replayed = setting.seen.replayed();
    in_order(&replayed, 7);
    // Pages follow each other: nothing far younger comes first.
    assert!(replayed.iter().zip(1_i64..).all(|(id, turn)| (id - turn).abs() <= 200), "{replayed:?}");
    replayed.sort_unstable();
    assert_eq!(replayed, (1..=1_234).collect::<Vec<_>>());
    let (again, _) = replay(&setting, &all(), BulkOptions::default()).await;
    assert_eq!((again.matched, again.done), (0, 0));
}

#[tokio::test]
async fn a_filter_chooses_and_its_state_does_not_count() {
    let setting = Setting::with(5, 5).await;
    setting.bury("other", "thing-9", 1).await;
    let only = DeadLetterFilter { handler: Some("other".to_owned()), state: Some(DeadLetterState::Discarded), ..all() };
    let (report, _) = replay(&setting, &only, BulkOptions::default()).await;
    assert_eq!((report.done, setting.seen.replayed()), (1, vec![6]));
    let early = DeadLetterFilter { to: Some(FIRST_DEATH + Duration::from_secs(2)), ..all() };
    let (report, _) = replay(&setting, &early, BulkOptions::default()).await;
    assert_eq!((report.done, report.matched), (2, 2));
}

#[tokio::test]
async fn a_run_goes_on_where_an_earlier_one_ended() {
    let setting = Setting::with(450, 3).await;
    let options = |resume| BulkOptions { at_most: 200, resume, ..BulkOptions::default() };
    let (first, _) = replay(&setting, &all(), options(None)).await;
    assert_eq!((first.done, first.remaining()), (200, 250));
    setting.bury("figures", "thing-late", 1).await;
    let (second, _) = replay(&setting, &all(), options(first.next)).await;
    let (third, _) = replay(&setting, &all(), options(second.next)).await;
    assert_eq!((second.done, third.done, third.next), (200, 50, None));
    assert_eq!(setting.letter(451).await.state, DeadLetterState::Dead, "it died after the beginning");
}

#[tokio::test]
async fn a_run_ends_though_everything_dies_again() {
    let setting = Setting::with(450, 3).await;
    setting.seen.have_all_die_again();
    let (report, _) = replay(&setting, &all(), BulkOptions::default()).await;
    assert_eq!((report.done, report.next), (450, None));
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done() {
    let setting = Setting::with(30, 3).await;
    let (report, _) = replay(&setting, &all(), BulkOptions { dry_run: true, ..BulkOptions::default() }).await;
    let first: Vec<i64> = report.first.iter().map(|letter| letter.id).collect();
    assert_eq!((report.matched, report.done, first), (30, 0, (1..=20).collect()));
    assert!(setting.seen.replayed().is_empty());
}

#[tokio::test]
async fn a_failure_ends_the_run_and_what_was_done_is_told() {
    let setting = Setting::with(450, 1).await;
    setting.seen.fail(301, StorageErrorKind::Unavailable);
    let never = CancellationToken::new();
    let mut silent = |_: &BulkReport| {};
    let run = setting.failed.remedy_all(Remedy::Replay, &all(), BulkOptions::default(), &never, &mut silent).await;
    let error = run.expect_err("it fails");
    assert_eq!((error.report.done, error.source.kind), (300, StorageErrorKind::Unavailable));
    let (rest, _) = replay(&setting, &all(), BulkOptions::default()).await;
    assert_eq!((rest.matched, rest.done), (150, 150));
    in_order(&setting.seen.replayed(), 1);
}

#[tokio::test(start_paused = true)]
async fn others_in_the_way_are_waited_for() {
    let setting = Setting::with(3, 1).await;
    for _ in 0..3 {
        setting.seen.fail(2, StorageErrorKind::Contention);
    }
    let (report, _) = replay(&setting, &all(), BulkOptions::default()).await;
    assert_eq!((report.done, setting.seen.replayed()), (3, vec![1, 2, 3]));
}

#[tokio::test]
async fn a_run_stops_when_it_is_told_to_and_in_time() {
    let setting = Setting::with(450, 3).await;
    let cancel = CancellationToken::new();
    let mut stop = |report: &BulkReport| {
        if report.done > 0 {
            cancel.cancel()
        }
    };
    let run = setting.failed.remedy_all(Remedy::Replay, &all(), BulkOptions::default(), &cancel, &mut stop).await;
    let report = run.expect("memory can be changed");
    assert_eq!((report.done, report.remaining()), (200, 250));
    // Some progress is made however little time there is: otherwise going on would never end.
    let hurried = BulkOptions { within: Some(Duration::ZERO), ..BulkOptions::default() };
    let (report, _) = replay(&setting, &all(), hurried).await;
    assert_eq!((report.done, report.remaining()), (200, 50));
}

#[tokio::test]
async fn what_others_have_dealt_with_is_skipped() {
    let setting = Setting::with(300, 3).await;
    let cancel = CancellationToken::new();
    let first = BulkOptions { at_most: 100, ..BulkOptions::default() };
    let (report, _) = replay(&setting, &all(), first).await;
    assert!(setting.store.discard(101).await.expect("an answer"));
    let mut silent = |_: &BulkReport| {};
    let rest = BulkOptions { resume: report.next, ..BulkOptions::default() };
    let run = setting.failed.remedy_all(Remedy::Discard, &all(), rest, &cancel, &mut silent).await;
    assert_eq!(run.expect("memory can be changed").done, 199);
}

#[tokio::test]
async fn the_oldest_are_read_page_by_page() {
    let setting = Setting::with(1_100, 3).await;
    let ids = async |after, limit| -> Vec<i64> {
        let letters = setting.store.oldest(&all(), after, limit).await.expect("memory can be read");
        letters.iter().map(|letter| letter.id).collect()
    };
    assert_eq!(ids(None, 3).await, [1, 2, 3]);
    assert_eq!(ids(Some(3), 2).await, [4, 5]);
    assert_eq!(ids(Some(1_098), 10).await, [1_099, 1_100]);
    assert_eq!(ids(None, u32::MAX).await, (1..=500).collect::<Vec<_>>());
    assert!(ids(Some(1_100), 10).await.is_empty());
}
