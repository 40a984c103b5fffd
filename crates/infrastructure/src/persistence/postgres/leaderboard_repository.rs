use std::collections::BTreeMap;

use activelog_application::{activity::ports::LeaderboardRepository, ports::StorageError};
use activelog_domain::{leaderboard::Board, statistics::Figures, user::UserId};
use async_trait::async_trait;
use jiff_sqlx::ToSqlx;

use super::{figures::FigureColumns, rows::Columns, session::Session};

/// Leaderboards on PostgreSQL.
pub(super) struct PgLeaderboardRepository<'u>(pub(super) &'u mut Session);

/// How a board's type is stored: the board of all types has the empty one.
pub(super) fn stored_type(board: &Board) -> &str {
    board.activity_type.as_ref().map_or("", |kind| kind.as_str())
}

#[async_trait]
impl LeaderboardRepository for PgLeaderboardRepository<'_> {
    async fn add(&mut self, user: UserId, changes: &[(Board, Figures)]) -> Result<(), StorageError> {
        const OPERATION: &str = "add to leaderboards";
        // One row per key, since a statement may touch each only once; ascending, since all who lock rows do so in this order.
        let mut sums: BTreeMap<&Board, Figures> = BTreeMap::new();
        for (board, figures) in changes {
            let sum = sums.entry(board).or_default();
            *sum = *sum + *figures;
        }
        sums.retain(|_, sum| !sum.is_zero());
        if sums.is_empty() {
            return Ok(());
        }
        let mut columns = FigureColumns::default();
        let (mut periods, mut starts, mut types) = (Vec::new(), Vec::new(), Vec::new());
        for (board, figures) in sums {
            periods.push(board.period.as_str());
            starts.push(board.start.to_sqlx());
            types.push(stored_type(board).to_owned());
            columns.push(figures);
        }
        let query = sqlx::query(
            "INSERT INTO leaderboard AS l (user_id, period, start, activity_type, activities, duration_minutes, distance_metres, calories_burned) \
             SELECT $1, c.* FROM unnest($2::text[], $3::date[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[]) AS c \
             ON CONFLICT (period, start, activity_type, user_id) DO UPDATE SET activities = l.activities + EXCLUDED.activities, \
             duration_minutes = l.duration_minutes + EXCLUDED.duration_minutes, \
             distance_metres = l.distance_metres + EXCLUDED.distance_metres, \
             calories_burned = l.calories_burned + EXCLUDED.calories_burned \
             RETURNING activities, duration_minutes, distance_metres, calories_burned",
        );
        let query = columns.bind(query.bind(user.0).bind(periods.clone()).bind(starts.clone()).bind(types.clone()));
        let mut emptied = false;
        for row in self.0.rows(OPERATION, query).await? {
            emptied |= Columns::of(&row, OPERATION).figures()?.is_zero();
        }
        if emptied {
            let query = sqlx::query(
                "DELETE FROM leaderboard USING unnest($2::text[], $3::date[], $4::text[]) AS c (p, s, t) \
                 WHERE user_id = $1 AND period = c.p AND start = c.s AND activity_type = c.t \
                 AND activities = 0 AND duration_minutes = 0 AND distance_metres = 0 AND calories_burned = 0",
            );
            self.0.execute(OPERATION, query.bind(user.0).bind(periods).bind(starts).bind(types)).await?;
        }
        Ok(())
    }

    async fn clear(&mut self, limit: u32) -> Result<u64, StorageError> {
        // As an array, so that rows are gone to by their places; `IN` would read the table a second time.
        let query =
            sqlx::query("DELETE FROM leaderboard WHERE ctid = ANY (ARRAY(SELECT ctid FROM leaderboard LIMIT $1))");
        self.0.execute("clear leaderboards", query.bind(i64::from(limit))).await
    }
}
