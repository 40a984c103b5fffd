//! Looks into the database beside the program.

use std::{collections::BTreeSet, path::PathBuf};

use sqlx::{
    Connection, PgConnection, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use uuid::Uuid;

use crate::{process::PATIENCE, support::eventually};

/// A database.
pub(crate) enum Store {
    Sqlite(PathBuf),
    Postgres(String),
}

/// What one transaction writes: activities, notifications of them, what the totals count, and events of them.
const CHAINS: &str = "SELECT (SELECT count(*) FROM activities), \
     (SELECT count(*) FROM notifications WHERE kind = 'activity.created'), \
     (SELECT CAST(coalesce(sum(activities), 0) AS bigint) FROM users), \
     (SELECT count(*) FROM outbox WHERE name = 'activity.created') \
       + (SELECT count(*) FROM journal WHERE name = 'activity.created')";

/// Activities and minutes, each as stored and as counted: in totals, by week, by month, on the boards of all types, on the boards of
/// each type; and, for achievements, the efforts.
const EFFECTS: &str = "SELECT (SELECT count(*) FROM activities), \
     (SELECT CAST(coalesce(sum(activities), 0) AS bigint) FROM users), \
     (SELECT CAST(coalesce(sum(activities), 0) AS bigint) FROM period_statistics WHERE period = 'week'), \
     (SELECT CAST(coalesce(sum(activities), 0) AS bigint) FROM period_statistics WHERE period = 'month'), \
     (SELECT CAST(coalesce(sum(activities), 0) AS bigint) FROM leaderboard WHERE period = 'week' AND activity_type = ''), \
     (SELECT CAST(coalesce(sum(activities), 0) AS bigint) FROM leaderboard WHERE period = 'month' AND activity_type <> ''), \
     (SELECT count(*) FROM efforts)";
const MINUTES: &str = "SELECT (SELECT CAST(coalesce(sum(duration_minutes), 0) AS bigint) FROM activities), \
     (SELECT CAST(coalesce(sum(duration_minutes), 0) AS bigint) FROM users), \
     (SELECT CAST(coalesce(sum(duration_minutes), 0) AS bigint) FROM period_statistics WHERE period = 'week'), \
     (SELECT CAST(coalesce(sum(duration_minutes), 0) AS bigint) FROM leaderboard WHERE period = 'month' AND activity_type = '')";

/// What waits, and what is handled less or more than once by the three handlers.
const UNDELIVERED: &str = "SELECT (SELECT count(*) FROM outbox), \
     (SELECT count(*) FROM journal) * 3 - (SELECT count(*) FROM inbox)";

/// Partitions whose positions are not 1, 2, 3 ….
const GAPS: &str = "SELECT count(*) FROM journal_heads h WHERE h.position <> \
     (SELECT count(*) FROM journal j WHERE j.partition = h.partition AND j.position BETWEEN 1 AND h.position)";

impl Store {
    /// The numbers of one row: one statement, one snapshot.
    pub(crate) async fn numbers(&self, sql: &'static str) -> Vec<i64> {
        match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(PATIENCE);
                let mut connection = SqliteConnection::connect_with(&options).await.expect("the file is there");
                let row: SqliteRow = sqlx::query(sql).fetch_one(&mut connection).await.expect("a row");
                connection.close().await.expect("it closes");
                (0..row.len()).map(|n| row.get(n)).collect()
            }
            Self::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.expect("the server is there");
                let row = sqlx::query(sql).fetch_one(&mut connection).await.expect("a row");
                connection.close().await.expect("it closes");
                (0..row.len()).map(|n| row.get(n)).collect()
            }
        }
    }

    /// The ids of all activities.
    pub(crate) async fn activities(&self) -> BTreeSet<Uuid> {
        let sql = "SELECT id FROM activities";
        let ids: Vec<Uuid> = match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(PATIENCE);
                let mut connection = SqliteConnection::connect_with(&options).await.expect("the file is there");
                sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("ids")
            }
            Self::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.expect("the server is there");
                sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("ids")
            }
        };
        ids.into_iter().collect()
    }

    /// Fails unless every chain is there whole, or not at all. Answers how many are.
    pub(crate) async fn whole_chains(&self) -> i64 {
        let chains = self.numbers(CHAINS).await;
        assert!(all_equal(&chains), "activities, notifications, totals and events differ: {chains:?}");
        chains[0]
    }

    /// Waits until everything is delivered, then fails unless there are exactly `activities`, each with its effects once.
    pub(crate) async fn settles_with(&self, activities: i64) {
        assert_eq!(self.whole_chains().await, activities);
        self.settles().await;
        assert_eq!(self.whole_chains().await, activities);
    }

    /// Waits until everything is delivered, then fails unless what was counted is what is there.
    pub(crate) async fn settles(&self) {
        eventually("every event is published and handled", PATIENCE, async || {
            (self.numbers(UNDELIVERED).await == [0, 0]).then_some(())
        })
        .await;
        for figures in [EFFECTS, MINUTES] {
            let numbers = self.numbers(figures).await;
            assert!(all_equal(&numbers), "effects differ from totals: {numbers:?} of {figures}");
        }
        assert_eq!(self.numbers(GAPS).await, [0], "the journal has gaps");
    }
}

fn all_equal(numbers: &[i64]) -> bool {
    numbers.windows(2).all(|pair| pair[0] == pair[1])
}
