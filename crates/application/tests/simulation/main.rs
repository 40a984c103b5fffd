//! Outbox, relay, delivery and parking under crashes, faults and bad luck, in simulated time: whatever happens, every handler takes every
//! event exactly once and in order, or it becomes a dead letter for a reason.
//!
//! Each seed is one run, and does the same every time. `ACTIVELOG_SIMULATION_SEEDS` says how many are run; `ACTIVELOG_SIMULATION_SEED` runs
//! one alone.
//!
//! Who makes events records them in the outbox. Relays publish them to a broker; workers take them to handlers that fail by plan, whose
//! effects are events in turn. Every call to storage and broker goes through a [process](process), which may be killed, frozen or stopped
//! before and after it; calls fail before they are done, or lose their answer. In the end everything heals, and the [oracle](oracle) judges.

#![expect(clippy::expect_used, clippy::panic, reason = "a set-up that fails has failed the test")]

mod broker;
mod chance;
mod failures;
mod handler;
mod ledger;
mod oracle;
mod outbox;
mod process;
mod relay;
mod run;
mod seeds;
mod slot;
mod trace;
mod units;
mod worker;
mod world;

use run::Defect;

#[test]
fn every_event_takes_effect_once_and_in_order_whatever_happens() {
    seeds::all();
}

#[test]
fn the_same_seed_does_the_same() {
    seeds::repeat(30);
}

#[test]
fn what_can_go_wrong_does() {
    let wanted = [
        "Worker 0.0: killed",
        "Relay 0.0: killed",
        "Worker 1.0: crashes",
        "frozen for",
        ": stopped",
        "cannot start",
        "commit failed: commit: the answer is lost",
        "commit failed: commit: not done",
        "commit: lost on the way there",
        "take failed",
        "park failed: park: the answer is lost",
        "give up failed: give up: the answer is lost",
        "mark failed: mark: the answer is lost",
        "postpone failed: postpone parked event: the lane has gone",
        "complete failed: outbox complete: the lease has another owner",
        "publish k0/1 failed: publish (Unknown)",
        " again",
        "AlreadyTaken",
        "Behind",
        "Err(Panic)",
        "Err(Hang)",
        "Ok(Refuses)",
        "echo first:",
        "dead: Exhausted, and holds its lane",
        "dead: Permanent, and lets its lane go on",
        "dead: Crashed",
    ];
    seeds::comes_about(2_000, &wanted);
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

#[test]
fn crash_marks_that_nobody_looks_at_are_caught() {
    seeds::caught(Defect::NoMarks, 300);
}

#[test]
fn leaving_the_outbox_before_the_broker_has_it_is_caught() {
    seeds::caught(Defect::CompleteFirst, 300);
}
