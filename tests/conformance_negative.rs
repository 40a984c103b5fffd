//! Deliberately broken adapters must fail the conformance suite, each in the case meant for it.
//!
//! Every fault runs on the broker in memory, which passes the same case through the same wrapper without the fault: so it is the fault
//! that fails it.

#[path = "conformance/faulty.rs"]
mod faulty;

use std::{process::ExitCode, sync::Arc};

use activelog_application::testing::broker::cases;
use faulty::{Fault, FaultyFixture};
use libtest_mimic::{Arguments, Failed, Trial};

/// What is broken, and the case that has to notice.
const FAULTS: &[(Fault, &str)] = &[
    (Fault::LosesEveryTenth, "publish_subscribe"),
    (Fault::LosesEveryTenth, "concurrent_subscribe"),
    (Fault::LosesEveryTenth, "publisher_close_keeps_every_ok"),
    (Fault::PublishesTwice, "publish_subscribe"),
    (Fault::IgnoresAcknowledgements, "acknowledged_never_comes_again"),
    (Fault::IgnoresAcknowledgements, "lag_reaches_zero"),
    (Fault::IgnoresGivingBack, "nacked_is_redelivered"),
    (Fault::ReordersWithinKey, "publish_subscribe_in_order"),
    (Fault::ReordersWithinKey, "order_per_key_across_streams"),
    (Fault::RequeuesAtTheEnd, "redelivered_comes_before_later_events_of_its_key"),
    (Fault::RequeuesAtTheEnd, "order_per_key_with_nacks"),
    (Fault::AcknowledgesEarly, "dropped_is_redelivered"),
    (Fault::AcknowledgesEarly, "unacknowledged_after_stream_drop_is_redelivered"),
    (Fault::AcknowledgesEarly, "settling_after_close_has_no_effect"),
    (Fault::TruncatesData, "binary_data_is_kept"),
    (Fault::TruncatesData, "one_mebibyte_is_kept"),
    (Fault::TakesDataForText, "binary_data_is_kept"),
    (Fault::IgnoresPrefetch, "no_ack_withholds_next"),
    (Fault::IgnoresPrefetch, "prefetch_bounds_unsettled"),
    (Fault::IgnoresPatterns, "names_do_not_leak"),
    (Fault::IgnoresPatterns, "wildcards_select"),
    (Fault::HangsOnClose, "concurrent_close"),
    (Fault::HangsOnClose, "subscriber_close_ends_streams"),
    (Fault::StaysOpen, "publish_after_close_is_refused"),
    (Fault::StaysOpen, "subscriber_close_ends_streams"),
    (Fault::DropsTrace, "every_attribute_is_kept"),
    (Fault::KeepsAsciiOnly, "unicode_is_kept"),
    (Fault::IgnoresDelay, "nack_delay_is_respected"),
    (Fault::BlocksOnDelay, "delayed_key_does_not_hold_up_others"),
    (Fault::LosesOnCancel, "next_is_cancel_safe"),
    (Fault::ForgetsHistory, "late_group_gets_history"),
    (Fault::KnowsOneGroup, "every_group_gets_everything"),
    (Fault::KeepsRemovedGroups, "removed_group_begins_anew"),
    (Fault::KeepsRemovedGroups, "group_in_use_is_not_removed"),
    (Fault::TakesAnySize, "too_large_is_refused"),
    (Fault::OvertakesFailures, "batch_skips_the_key_of_a_failed_event"),
    (Fault::TakesAnySubscription, "impossible_subscriptions_are_refused"),
    (Fault::AsksWithEvents, "asking_disturbs_nothing"),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Cases that fail mostly wait for what does not come.
    arguments.test_threads = arguments.test_threads.or(Some(8));
    let trials = FAULTS.iter().map(|(fault, case)| {
        Trial::test(format!("{fault:?}::{case}"), move || run(*fault, case).map_err(Failed::from))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn run(fault: Fault, name: &str) -> Result<(), String> {
    let case = cases().into_iter().find(|case| case.name == name).ok_or("no such case")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(async {
        let sound = case.check(Arc::new(FaultyFixture::new(Fault::None))).await;
        sound.map_err(|why| format!("fails without the fault: {why}"))?;
        match case.check(Arc::new(FaultyFixture::new(fault))).await {
            Ok(()) => Err("the case does not notice".to_owned()),
            Err(_) => Ok(()),
        }
    })
}
