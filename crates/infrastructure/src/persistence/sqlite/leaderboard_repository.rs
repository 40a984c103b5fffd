use activelog_application::{activity::ports::LeaderboardRepository, ports::StorageError};
use activelog_domain::{activity::ActivityType, leaderboard::Board, statistics::Figures, user::UserId};
use async_trait::async_trait;

use super::{rows, statement::Statement, write_unit::WriteUnit};

/// Leaderboards in a unit of work.
pub(super) struct SqliteLeaderboardRepository<'a> {
    pub(super) unit: &'a mut WriteUnit,
}

/// Binds period, first day and type; the board of all types has the type ''.
pub(super) fn bind_board(statement: Statement, board: &Board) -> Statement {
    statement
        .bind(board.period.as_str())
        .bind_day(board.start)
        .bind(board.activity_type.as_ref().map_or("", ActivityType::as_str))
}

#[async_trait]
impl LeaderboardRepository for SqliteLeaderboardRepository<'_> {
    async fn add(&mut self, user: UserId, changes: &[(Board, Figures)]) -> Result<(), StorageError> {
        if changes.is_empty() {
            return Ok(());
        }
        let upsert = Statement::rows(
            "add to leaderboards",
            "INSERT INTO leaderboard (period, start, activity_type, user_id, activities, duration_minutes, \
             distance_metres, calories_burned) VALUES",
            "(?, ?, ?, ?, ?, ?, ?, ?)",
            changes.len(),
            "ON CONFLICT DO UPDATE SET \
                 activities = activities + excluded.activities, \
                 duration_minutes = duration_minutes + excluded.duration_minutes, \
                 distance_metres = distance_metres + excluded.distance_metres, \
                 calories_burned = calories_burned + excluded.calories_burned \
             RETURNING activities, duration_minutes, distance_metres, calories_burned",
        );
        let upsert = changes
            .iter()
            .fold(upsert, |upsert, (board, figures)| bind_board(upsert, board).bind(user.0).bind_figures(*figures));
        let sums = self.unit.fetch_all(upsert, rows::figures).await?;
        for ((board, _), _) in changes.iter().zip(&sums).filter(|(_, sum)| sum.is_zero()) {
            let delete = Statement::new(
                "remove from leaderboard",
                "DELETE FROM leaderboard WHERE period = ? AND start = ? AND activity_type = ? AND user_id = ? \
                 AND activities = 0 AND duration_minutes = 0 AND distance_metres = 0 AND calories_burned = 0",
            );
            self.unit.execute(bind_board(delete, board).bind(user.0)).await?;
        }
        Ok(())
    }

    async fn clear(&mut self, limit: u32) -> Result<u64, StorageError> {
        let delete = Statement::new(
            "clear leaderboards",
            "DELETE FROM leaderboard WHERE (period, start, activity_type, user_id) IN (SELECT period, start, activity_type, user_id FROM leaderboard LIMIT ?)",
        );
        self.unit.execute(delete.bind(limit)).await
    }
}
