use std::collections::BTreeMap;

use activelog_application::{activity::ports::PeriodStatisticsRepository, ports::StorageError};
use activelog_domain::{
    statistics::{Figures, Period},
    user::UserId,
};
use async_trait::async_trait;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;

use super::{figures::FigureColumns, rows::Columns, session::Session};

/// Weekly and monthly figures on PostgreSQL.
pub(super) struct PgPeriodStatisticsRepository<'u>(pub(super) &'u mut Session);

#[async_trait]
impl PeriodStatisticsRepository for PgPeriodStatisticsRepository<'_> {
    async fn add(&mut self, user: UserId, changes: &[(Period, Date, Figures)]) -> Result<(), StorageError> {
        const OPERATION: &str = "add to period statistics";
        // One row per key, since a statement may touch each only once; ascending, since all who lock rows do so in this order.
        let mut sums: BTreeMap<(Period, Date), Figures> = BTreeMap::new();
        for (period, start, figures) in changes {
            let sum = sums.entry((*period, *start)).or_default();
            *sum = *sum + *figures;
        }
        sums.retain(|_, sum| !sum.is_zero());
        if sums.is_empty() {
            return Ok(());
        }
        let mut columns = FigureColumns::default();
        let (mut periods, mut starts) = (Vec::new(), Vec::new());
        for ((period, start), figures) in sums {
            periods.push(period.as_str());
            starts.push(start.to_sqlx());
            columns.push(figures);
        }
        let query = sqlx::query(
            "INSERT INTO period_statistics AS s (user_id, period, start, activities, duration_minutes, distance_metres, calories_burned) \
             SELECT $1, c.* FROM unnest($2::text[], $3::date[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) AS c \
             ON CONFLICT (user_id, period, start) DO UPDATE SET activities = s.activities + EXCLUDED.activities, \
             duration_minutes = s.duration_minutes + EXCLUDED.duration_minutes, \
             distance_metres = s.distance_metres + EXCLUDED.distance_metres, \
             calories_burned = s.calories_burned + EXCLUDED.calories_burned \
             RETURNING activities, duration_minutes, distance_metres, calories_burned",
        );
        let query = columns.bind(query.bind(user.0).bind(periods.clone()).bind(starts.clone()));
        let mut emptied = false;
        for row in self.0.rows(OPERATION, query).await? {
            emptied |= Columns::of(&row, OPERATION).figures()?.is_zero();
        }
        if emptied {
            let query = sqlx::query(
                "DELETE FROM period_statistics USING unnest($2::text[], $3::date[]) AS c (p, s) \
                 WHERE user_id = $1 AND period = c.p AND start = c.s \
                 AND activities = 0 AND duration_minutes = 0 AND distance_metres = 0 AND calories_burned = 0",
            );
            self.0.execute(OPERATION, query.bind(user.0).bind(periods).bind(starts)).await?;
        }
        Ok(())
    }

    async fn clear(&mut self, limit: u32) -> Result<u64, StorageError> {
        // As an array, so that rows are gone to by their places; `IN` would read the table a second time.
        let query = sqlx::query(
            "DELETE FROM period_statistics WHERE ctid = ANY (ARRAY(SELECT ctid FROM period_statistics LIMIT $1))",
        );
        self.0.execute("clear period statistics", query.bind(i64::from(limit))).await
    }
}
