use async_trait::async_trait;

use super::ActivityChange;
use crate::{
    activity::{ports::Repositories, projections::periods_of},
    delivery::{EventHandler, HandlerError, Projection, Received},
    orchestrator::Step,
    ports::StorageError,
};

const NAME: &str = "period-statistics";

/// Keeps weekly and monthly figures: adds what an activity contributes, subtracts what it no longer does.
#[derive(Debug, Clone, Copy, Default)]
pub struct PeriodStatisticsHandler;

#[async_trait]
impl<E: ActivityChange> EventHandler<E, dyn Repositories> for PeriodStatisticsHandler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn handle(
        &self,
        received: &Received<'_, E>,
        step: &mut Step<'_, dyn Repositories>,
    ) -> Result<(), HandlerError> {
        let change = received.event.change();
        let differences = change.differences(|snapshot| Ok(periods_of(snapshot.day()).to_vec()))?;
        if !differences.is_empty() {
            let changes: Vec<_> = differences.into_iter().map(|((p, start), figures)| (p, start, figures)).collect();
            step.tx().period_statistics().add(change.user, &changes).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Projection<dyn Repositories> for PeriodStatisticsHandler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn clear(&self, limit: u32, step: &mut Step<'_, dyn Repositories>) -> Result<u64, StorageError> {
        step.tx().period_statistics().clear(limit).await
    }
}

#[cfg(test)]
mod tests {
    use activelog_domain::{
        activity::{Activity, ActivityChanges, ActivityDate, Title},
        statistics::Figures,
        user::Actor,
    };
    use jiff::civil::date;

    use crate::{
        activity::{
            fixture::{ANNA, Fixture},
            ports::Queries,
            use_cases::{DeleteActivity, UpdateActivity},
        },
        delivery::Handled,
        ports::StorageErrorKind,
    };

    async fn figures(f: &Fixture) -> Vec<(String, Figures)> {
        let periods = f.store.periods(ANNA, None, 100).await.expect("periods");
        periods.into_iter().map(|p| (format!("{} {}", p.period.as_str(), p.start), p.figures)).collect()
    }

    fn update(activity: &Activity, changes: ActivityChanges) -> UpdateActivity {
        UpdateActivity { actor: Actor::User(ANNA), id: activity.id, expected: None, changes }
    }

    #[tokio::test]
    async fn an_activity_moves_between_periods_and_goes() {
        let mut f = Fixture::new();
        let activity = f.created(1, 5_000).await;
        f.handle_all().await;
        let once = Figures::of(&activity);
        let week = |start: &str| (format!("week {start}"), once);
        assert_eq!(figures(&f).await, [("month 2026-01-01".to_owned(), once), week("2025-12-29")]);

        let moved = date(2026, 1, 5).at(0, 0, 0, 0).in_tz("UTC").expect("a valid instant").timestamp();
        let changes = ActivityChanges { activity_date: Some(ActivityDate::stored(moved)), ..Default::default() };
        f.log.update(update(&activity, changes)).await.expect("an updated activity");
        f.handle_all().await;
        assert_eq!(figures(&f).await, [week("2026-01-05"), ("month 2026-01-01".to_owned(), once)]);

        f.log
            .delete(DeleteActivity { actor: Actor::Operator, id: activity.id, expected: None })
            .await
            .expect("a deleted activity");
        f.handle_all().await;
        assert_eq!(figures(&f).await, []);
    }

    #[tokio::test]
    async fn a_new_title_writes_no_figures() {
        let mut f = Fixture::new();
        let activity = f.created(1, 5_000).await;
        f.handle_all().await;
        let changes = ActivityChanges { title: Title::new("Evening run").ok(), ..Default::default() };
        f.log.update(update(&activity, changes)).await.expect("an updated activity");
        for write in ["add to period statistics", "add to leaderboards", "put effort"] {
            f.store.fail_next(write, StorageErrorKind::Other);
        }
        let event = f.store.outbox().pop().expect("an event");
        for handler in ["period-statistics", "achievements", "leaderboard"] {
            assert_eq!(f.handle_by(handler, &event).await.ok(), Some(Handled::Committed), "{handler}");
        }
    }
}
