//! One dead letter at a time.

use activelog_application::{
    failures::{Remedied, Remedy},
    ports::{DeadLetterState, ParkedFilter, StorageErrorKind},
};

use crate::setting::Setting;

#[tokio::test]
async fn a_remedy_has_its_effect_once_and_says_what_it_found() {
    let setting = Setting::with(2, 2).await;
    let remedy = async |remedy, id| setting.failed.remedy(remedy, id, false).await.expect("an outcome");
    assert_eq!(remedy(Remedy::Replay, 1).await, Remedied::Done);
    assert_eq!(remedy(Remedy::Replay, 1).await, Remedied::NotDead(DeadLetterState::Replaying));
    assert_eq!(remedy(Remedy::Discard, 1).await, Remedied::NotDead(DeadLetterState::Replaying));
    assert_eq!(remedy(Remedy::Discard, 2).await, Remedied::Done);
    assert_eq!(remedy(Remedy::Discard, 2).await, Remedied::NotDead(DeadLetterState::Discarded));
    assert_eq!(remedy(Remedy::Replay, 3).await, Remedied::NotFound);
    let parked = setting.failed.parked(&ParkedFilter::default(), None, 10).await.expect("a list");
    assert_eq!(parked.items.len(), 1);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let setting = Setting::with(1, 1).await;
    let dry = async |id| setting.failed.remedy(Remedy::Discard, id, true).await.expect("an outcome");
    assert_eq!((dry(1).await, dry(2).await), (Remedied::Done, Remedied::NotFound));
    assert_eq!(setting.letter(1).await.state, DeadLetterState::Dead);
    setting.failed.remedy(Remedy::Discard, 1, false).await.expect("an outcome");
    assert_eq!(dry(1).await, Remedied::NotDead(DeadLetterState::Discarded));
}

#[tokio::test]
async fn a_failure_of_the_storage_is_told_and_leaves_it_dead() {
    let setting = Setting::with(1, 1).await;
    setting.seen.fail(1, StorageErrorKind::Unavailable);
    assert!(setting.failed.remedy(Remedy::Replay, 1, false).await.is_err());
    assert_eq!(setting.failed.remedy(Remedy::Replay, 1, false).await.expect("an outcome"), Remedied::Done);
}

#[tokio::test]
async fn figures_count_what_waits() {
    let setting = Setting::with(3, 3).await;
    setting.failed.remedy(Remedy::Replay, 1, false).await.expect("an outcome");
    setting.failed.remedy(Remedy::Discard, 2, false).await.expect("an outcome");
    let figures = setting.failed.figures().await.expect("figures");
    assert_eq!((figures.dead_letters, figures.parked.events, figures.parked.held_lanes), (1, 1, 0));
}
