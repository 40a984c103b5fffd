//! Whatever users do and in whatever order events are handled, projections equal a recomputation from the activities: on both
//! databases, each scenario from a seed that is printed.

use std::sync::Arc;

use activelog_application::testing::{Scenario, pending_events, projections_match};
use activelog_infrastructure::{
    clock::SystemClock,
    persistence::sqlite::{SqliteDatabase, SqliteOptions},
};

use crate::support;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn projections_equal_a_recomputation_on_sqlite() {
    let first = support::seed("projections_equal_a_recomputation_on_sqlite");
    for n in 0..12_u8 {
        let seed = first.wrapping_add(n.into());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = SqliteOptions::new(folder.path().join("activelog.db"));
        let database = SqliteDatabase::open(options, Arc::new(SystemClock)).await.expect("a database");
        database.migrate().await.expect("migrations run");
        let scenario = Scenario::from_seed(seed, 1 + n % 3, 40);
        let events = async || pending_events(&database).await;
        let report = projections_match(Arc::new(database.clone()), &database, events, &scenario).await;
        let report = report.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(report.events > 0, "seed {seed}: {report:?}");
        database.close().await;
    }
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn projections_equal_a_recomputation_on_postgres() {
    use activelog_infrastructure::persistence::postgres::{PgDatabase, PgOptions};
    let first = support::seed("projections_equal_a_recomputation_on_postgres");
    for n in 0..4_u8 {
        let seed = first.wrapping_add(n.into());
        let Some(url) = support::fresh_database() else { return };
        let options = PgOptions::new(&url).expect("a valid URL");
        let database = PgDatabase::connect(options, Arc::new(SystemClock)).await.expect("it is there");
        database.migrate().await.expect("migrations run");
        let scenario = Scenario::from_seed(seed, 1 + n % 3, 40);
        let events = async || pending_events(&database).await;
        let report = projections_match(Arc::new(database.clone()), &database, events, &scenario).await;
        let report = report.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(report.events > 0, "seed {seed}: {report:?}");
        database.close().await;
    }
}
