//! A storage with a defect in what it keeps of failures fails the case that is meant to catch it.

use std::sync::Arc;

use activelog_application::testing::storage::Storage;

use crate::{
    broken::{BrokenFactory, BrokenLetters, BrokenParking, Defect, LetterDefect, ParkingDefect, ReplaysThatStartOver},
    negative::assert_caught_on,
};

#[tokio::test]
async fn parking_stores_with_a_defect_are_caught() {
    let in_order = "parking at once::deliveries_and_retriers_at_once_keep_every_lane_in_order";
    let left_behind = "lanes::what_is_parked_before_the_lane_ends_is_not_left_behind";
    let meant_for = [
        (ParkingDefect::NoFencing, "lanes::who_lost_a_lane_is_fenced", "events of a lost lane"),
        (
            ParkingDefect::EpochsStartAnew,
            "lanes::who_lost_a_lane_that_has_come_anew_is_fenced",
            "events of a lost lane",
        ),
        (ParkingDefect::EndsLanesWithEvents, left_behind, "what came before the end"),
        (ParkingDefect::EndsLanesWithEvents, in_order, "each once and in order"),
        (ParkingDefect::ParksTwice, "parking::what_is_known_is_not_parked_again", "what is taken was parked"),
        (
            ParkingDefect::ClaimsAnyLane,
            "lanes::a_claimed_lane_is_nobody_elses_until_the_claim_runs_out",
            "before the claim runs out",
        ),
        (ParkingDefect::ForgetsBackOff, "parking::what_failed_again_waits_with_all_behind_it", "before their time"),
        (
            ParkingDefect::NeverHolds,
            "dead letters::what_is_given_up_with_hold_keeps_its_followers_waiting",
            "does not hold its lane",
        ),
        (
            ParkingDefect::ReplaysComeLast,
            "dead letters::a_replay_comes_before_its_followers_in_its_old_place",
            "what is parked",
        ),
        (
            ParkingDefect::TakesWhatIsGone,
            "parking in a unit of work::what_is_taken_is_taken_with_the_effects",
            "taken again in the same transaction",
        ),
    ];
    for (defect, case, reason) in meant_for {
        assert_caught_on(case, reason, move |storage, failures| {
            let parking = BrokenParking::new(failures, defect);
            let inner = storage.factory.clone();
            let factory = BrokenFactory { inner, defect: Defect::OfParking, parking: Some(parking.clone()) };
            Storage { factory: Arc::new(factory), parking, ..storage }
        })
        .await;
    }
}

#[tokio::test]
async fn dead_letters_with_a_defect_are_caught() {
    let pages = "lists of dead letters::they_are_filtered_and_paged_newest_first";
    let meant_for = [
        (LetterDefect::ReplaysTwice, "dead letters::replaying_twice_has_the_effect_of_once", "replayed twice"),
        (
            LetterDefect::ForgetsEarlierDeaths,
            "dead letters::what_dies_again_keeps_its_number_and_its_past",
            "its earlier deaths",
        ),
        (LetterDefect::OverlappingPages, pages, "a page follows the last"),
        (
            LetterDefect::PrunesTooEarly,
            "lists of dead letters::what_was_dealt_with_long_ago_is_pruned",
            "before the first",
        ),
    ];
    for (defect, case, reason) in meant_for {
        assert_caught_on(case, reason, move |storage, inner| Storage {
            dead_letters: Arc::new(BrokenLetters { inner, defect }),
            ..storage
        })
        .await;
    }
}

#[tokio::test]
async fn replays_that_start_over_are_caught() {
    let broken = |storage, inner| Storage { replays: Arc::new(ReplaysThatStartOver(inner)), ..storage };
    assert_caught_on("replays::progress_survives", "what it resumes from", broken).await;
}
