//! Projections equal a recomputation from the activities, whatever the order and the number of deliveries.

use std::{error::Error, sync::Arc};

use activelog_application::testing::{
    MemoryRepositories, Operation, ProjectionsReport, Scenario, memory_storage::MemoryStorage, pending_events,
    projections_match,
};
use proptest::{collection::vec, option, prelude::*};

fn operation() -> impl Strategy<Value = Operation> {
    let what = (any::<u8>(), any::<u16>(), any::<u8>(), any::<u8>());
    let values = (any::<u8>(), any::<u8>(), any::<u32>(), any::<u16>());
    let optional = (option::of(any::<u16>()), option::of(any::<u16>()));
    (what, values, optional).prop_map(
        |((choice, target, user, fields), (activity_type, day, time, minutes), (metres, calories))| Operation {
            choice,
            target,
            user,
            fields,
            activity_type,
            day,
            time,
            minutes,
            metres,
            calories,
        },
    )
}

fn scenario() -> impl Strategy<Value = Scenario> {
    (1..=3_u8, vec(operation(), 0..40), vec(any::<u16>(), 0..80)).prop_map(|(users, operations, deliveries)| Scenario {
        users,
        operations,
        deliveries,
    })
}

fn run(scenario: &Scenario) -> Result<ProjectionsReport, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outbox = MemoryStorage::new();
    let store = MemoryRepositories::relayed_by(outbox.clone());
    let run = projections_match(Arc::new(store.clone()), &store, async || pending_events(&outbox).await, scenario);
    Ok(runtime.block_on(run)?)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn projections_equal_a_recomputation(scenario in scenario()) {
        let result = run(&scenario);
        prop_assert!(result.is_ok(), "{}", result.err().map(|e| e.to_string()).unwrap_or_default());
    }
}

#[test]
fn long_lives_reach_every_achievement() {
    // One user, so that a hundred activities and streaks come and go.
    let report = run(&Scenario::from_seed(7, 1, 400)).expect("projections that match");
    assert!(report.activities > 100, "{report:?}");
    assert!(report.already_taken > 0, "{report:?}");
}
