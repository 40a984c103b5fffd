use activelog_application::{activity::ports::PeriodStatisticsRepository, ports::StorageError};
use activelog_domain::{
    statistics::{Figures, Period},
    user::UserId,
};
use async_trait::async_trait;
use jiff::civil::Date;

use super::{rows, statement::Statement, write_unit::WriteUnit};

/// Weekly and monthly figures in a unit of work.
pub(super) struct SqlitePeriodStatisticsRepository<'a> {
    pub(super) unit: &'a mut WriteUnit,
}

#[async_trait]
impl PeriodStatisticsRepository for SqlitePeriodStatisticsRepository<'_> {
    async fn add(&mut self, user: UserId, changes: &[(Period, Date, Figures)]) -> Result<(), StorageError> {
        if changes.is_empty() {
            return Ok(());
        }
        let upsert = Statement::rows(
            "add to periods",
            "INSERT INTO period_statistics (user_id, period, start, activities, duration_minutes, distance_metres, \
             calories_burned) VALUES",
            "(?, ?, ?, ?, ?, ?, ?)",
            changes.len(),
            "ON CONFLICT DO UPDATE SET \
                 activities = activities + excluded.activities, \
                 duration_minutes = duration_minutes + excluded.duration_minutes, \
                 distance_metres = distance_metres + excluded.distance_metres, \
                 calories_burned = calories_burned + excluded.calories_burned \
             RETURNING activities, duration_minutes, distance_metres, calories_burned",
        );
        let upsert = changes.iter().fold(upsert, |upsert, (period, start, figures)| {
            upsert.bind(user.0).bind(period.as_str()).bind_day(*start).bind_figures(*figures)
        });
        let sums = self.unit.fetch_all(upsert, rows::figures).await?;
        if !sums.iter().any(Figures::is_zero) {
            return Ok(());
        }
        let delete = Statement::new(
            "remove empty periods",
            "DELETE FROM period_statistics WHERE user_id = ? AND activities = 0 AND duration_minutes = 0 \
             AND distance_metres = 0 AND calories_burned = 0",
        );
        self.unit.execute(delete.bind(user.0)).await.map(drop)
    }

    async fn clear(&mut self, limit: u32) -> Result<u64, StorageError> {
        let delete = Statement::new(
            "clear period statistics",
            "DELETE FROM period_statistics WHERE (user_id, period, start) IN (SELECT user_id, period, start FROM period_statistics LIMIT ?)",
        );
        self.unit.execute(delete.bind(limit)).await
    }
}
