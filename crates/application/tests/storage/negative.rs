//! A storage with a defect fails the case that is meant to catch it.

use std::sync::{Arc, Mutex};

use activelog_application::testing::{
    MemoryFailures, MemoryRepositories,
    memory_storage::MemoryStorage,
    storage::{Storage, StorageFixture, cases},
};
use async_trait::async_trait;

use crate::{
    broken::{
        BrokenFactory, BrokenQueries, BrokenSchedule, CompleteFirstOfMany, Defect, EpochsThatStand, GapsInPositions,
        IgnoresAge, PiecemealAdvance, QueryDefect, Robber, ScheduleDefect, Unfenced, concurrent_outbox,
    },
    memory::storage_on,
};

/// Makes storages by a function of the one in memory.
struct Broken<F>(F);

#[async_trait]
impl<F: Fn(Storage, MemoryStorage, MemoryFailures) -> Storage + Send + Sync + 'static> StorageFixture for Broken<F> {
    async fn fresh(&self) -> Result<Storage, String> {
        let toolkit = MemoryStorage::new();
        let repositories = MemoryRepositories::relayed_by(toolkit.clone());
        Ok((self.0)(storage_on(&toolkit, &repositories), toolkit, repositories.failures()))
    }
}

/// What the case says of a storage that `broken` makes.
async fn verdict(
    case: &str,
    broken: impl Fn(Storage, MemoryStorage, MemoryFailures) -> Storage + Send + Sync + 'static,
) -> Result<(), String> {
    let found = cases().into_iter().find(|c| c.name == case).unwrap_or_else(|| panic!("there is no case {case}"));
    (found.run)(Arc::new(Broken(broken))).await
}

/// Asserts that it was the case's reason to fail.
fn assert_for(reason: &str, case: &str, verdict: Result<(), String>) {
    match verdict {
        Ok(()) => panic!("{case} passes a storage with a defect"),
        Err(wrong) => assert!(wrong.contains(reason), "{case} fails for another reason than {reason:?}: {wrong}"),
    }
}

/// Asserts that the case fails, and for the reason it is meant to, on what is made of the storage and what it keeps of failures.
pub(crate) async fn assert_caught_on(
    case: &str,
    reason: &str,
    broken: impl Fn(Storage, MemoryFailures) -> Storage + Send + Sync + 'static,
) {
    assert_for(reason, case, verdict(case, move |storage, _, failures| broken(storage, failures)).await);
}

/// Asserts that the case fails, and for the reason it is meant to, on what is made of the storage and its toolkit.
async fn assert_caught(
    case: &str,
    reason: &str,
    broken: impl Fn(Storage, MemoryStorage) -> Storage + Send + Sync + 'static,
) {
    assert_for(reason, case, verdict(case, move |storage, toolkit, _| broken(storage, toolkit)).await);
}

#[tokio::test]
async fn units_of_work_with_a_defect_are_caught() {
    let meant_for = [
        (Defect::LosesOutbox, "relays::writers_and_relays_at_once_lose_nothing", "published events"),
        (Defect::LosesOutbox, "unit of work::it_sees_its_own_writes_and_others_do_not_before_the_commit", "outbox"),
        (Defect::StripsEnvelopes, "outbox::every_attribute_survives_into_the_journal", "changed in the outbox"),
        (Defect::SurvivesFailedStatements, "unit of work::a_failed_statement_poisons_it", "after the failed statement"),
        (Defect::InboxAlwaysTrue, "inbox::an_event_is_taken_once_by_each_handler", "the same event"),
        (Defect::InboxAlwaysTrue, "inbox::many_at_once_take_it_once", "how many took it"),
        (Defect::NeverBehind, "lanes::while_a_lane_is_there_later_events_come_behind", "behind what is parked"),
        (Defect::NeverBehind, "replays::what_arrives_meanwhile_comes_behind", "a new event"),
        (Defect::ReplayedBehindAll, "replays::a_replayed_event_passes_what_comes_later", "key 4"),
        (
            Defect::UpdateIgnoresVersion,
            "activities::an_update_needs_the_version_before_its_own",
            "an update of version 5",
        ),
        (Defect::TruncatesDates, "activities::every_field_survives", "found in a transaction"),
        (Defect::RollbackCommits, "unit of work::a_rollback_undoes_everything", "after the rollback"),
        (Defect::CommitLoses, "unit of work::what_is_committed_is_there_for_everybody", "in a later transaction"),
        (Defect::ClampsTotals, "users::totals_pass_through_zero", "a negative change"),
        (Defect::SameChangeOnce, "period statistics::several_changes_of_one_period_all_count", "two changes at once"),
        (
            Defect::IgnoresFingerprints,
            "idempotency::another_request_under_the_same_key_is_a_mismatch",
            "another request",
        ),
        (Defect::ForgetsTheHundredth, "achievements::milestones_are_those_of_all_efforts", "milestones of 100 efforts"),
    ];
    for (defect, case, reason) in meant_for {
        assert_caught(case, reason, move |storage, _| {
            let factory = Arc::new(BrokenFactory { inner: storage.factory.clone(), defect, parking: None });
            Storage { factory, ..storage }
        })
        .await;
    }
}

#[tokio::test]
async fn a_drop_that_leaves_the_transaction_open_is_caught() {
    assert_caught("unit of work::a_drop_undoes_everything", "after the drop", |storage, _| {
        let factory = BrokenFactory { inner: storage.factory.clone(), defect: Defect::DropLeavesOpen, parking: None };
        Storage { factory: Arc::new(factory), ..storage }
    })
    .await;
}

#[tokio::test]
async fn completing_without_fencing_is_caught() {
    assert_caught("relays::a_lost_lease_moves_nothing", "complete by a zombie", |storage, toolkit| {
        let unfenced = Unfenced::new(toolkit);
        Storage { outbox: Arc::new(unfenced.clone()), leases: Arc::new(unfenced), ..storage }
    })
    .await;
}

#[tokio::test]
async fn completing_lease_by_lease_is_caught() {
    let broken = |storage, toolkit| Storage { outbox: Arc::new(CompleteFirstOfMany(toolkit)), ..storage };
    assert_caught("relays::one_lost_lease_refuses_the_whole", "the journal", broken).await;
    assert_caught("outbox::the_oldest_of_several_leases_move", "with a limit of", broken).await;
}

#[tokio::test]
async fn gaps_in_positions_are_caught() {
    let broken = |storage, toolkit| Storage { journal: Arc::new(GapsInPositions(toolkit)), ..storage };
    assert_caught("outbox::completed_events_move_in_the_order_of_their_rows", "without gaps", broken).await;
    assert_caught("journal::a_reader_sees_everything_once_while_others_write", "the next position", broken).await;
}

#[tokio::test]
async fn advancing_piece_by_piece_is_caught() {
    let broken = |storage, toolkit| Storage { positions: Arc::new(PiecemealAdvance(toolkit)), ..storage };
    assert_caught("group positions::one_lost_lease_refuses_the_whole", "where the group stands", broken).await;
}

#[tokio::test]
async fn robbing_living_members_is_caught() {
    let broken = |storage, inner| Storage { leases: Arc::new(Robber { inner, members: Mutex::default() }), ..storage };
    assert_caught("leases::a_living_member_is_never_robbed", "what is left for b", broken).await;
}

#[tokio::test]
async fn epochs_that_do_not_rise_are_caught() {
    let broken = |storage, toolkit| Storage { leases: Arc::new(EpochsThatStand(toolkit)), ..storage };
    let case = "leases::silent_members_lose_their_partitions_and_epochs_rise";
    assert_caught(case, "did not rise", broken).await;
}

#[tokio::test]
async fn queries_that_skip_or_misorder_are_caught() {
    let ranking = "leaderboards::standings_are_ordered_by_distance_minutes_number_and_user";
    for (defect, case, reason) in [
        (QueryDefect::PagesByTime, "queries::activities_are_paged_by_key", "pages of"),
        (QueryDefect::TiesByUser, ranking, "the board"),
    ] {
        assert_caught(case, reason, move |storage, _| {
            let queries = Arc::new(BrokenQueries { inner: storage.queries.clone(), defect });
            Storage { queries, ..storage }
        })
        .await;
    }
}

#[tokio::test]
async fn an_outbox_read_by_cursor_is_caught_and_one_read_by_row_state_passes() {
    let case = "outbox::a_late_commit_is_not_skipped";
    let by_state = verdict(case, |storage, toolkit, _| concurrent_outbox(storage, toolkit, false)).await;
    assert_eq!(by_state, Ok(()), "an outbox in which transactions commit in any order");
    let broken = |storage, toolkit| concurrent_outbox(storage, toolkit, true);
    assert_caught(case, "committed late is not pending", broken).await;
}

#[tokio::test]
async fn removing_what_is_young_is_caught() {
    for case in [
        "retention::inbox_records_go_by_age_batch_by_batch",
        "retention::the_journal_is_removed_from_its_oldest_end",
        "retention::idempotency_keys_go_by_age",
        "retention::traces_of_workers_go_by_age",
    ] {
        let broken =
            |storage: Storage, _| Storage { retention: Arc::new(IgnoresAge(storage.retention.clone())), ..storage };
        assert_caught(case, "young", broken).await;
    }
}

#[tokio::test]
async fn a_schedule_with_a_defect_is_caught() {
    let order = "scheduled events::they_go_out_in_the_order_of_their_times";
    for (defect, case, reason) in [
        (ScheduleDefect::Hasty, order, "moved before any is due"),
        (ScheduleDefect::CancelsAnything, "scheduled events::a_cancelled_one_never_goes_out", "second cancellation"),
        (ScheduleDefect::ListsByRow, order, "the list's order"),
    ] {
        assert_caught(case, reason, move |storage, _| {
            let scheduled = Arc::new(BrokenSchedule(storage.scheduled.clone(), defect));
            Storage { scheduled, ..storage }
        })
        .await;
    }
}
