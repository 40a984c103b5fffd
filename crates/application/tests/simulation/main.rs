//! Delivery and parking under crashes, faults and bad luck, in simulated time: whatever happens, every handler takes every event exactly
//! once and in order, or it becomes a dead letter for a reason.
//!
//! Each seed is one run. `ACTIVELOG_TEST_SEED` runs one alone.

#![expect(clippy::expect_used, reason = "a set-up that fails has failed the test")]

mod broker;
mod chance;
mod handler;
mod oracle;
mod run;
mod seeds;
mod storage;
mod worker;

use run::Defect;

#[test]
fn every_event_takes_effect_once_and_in_order_whatever_happens() {
    seeds::all(10_000);
}

#[test]
fn acknowledging_before_the_commit_is_caught() {
    seeds::caught(Defect::AckFirst, 300);
}

#[test]
fn a_missing_inbox_is_caught() {
    seeds::caught(Defect::NoInbox, 300);
}

#[test]
fn events_that_do_not_wait_behind_parked_ones_are_caught() {
    seeds::caught(Defect::NoBehind, 300);
}
