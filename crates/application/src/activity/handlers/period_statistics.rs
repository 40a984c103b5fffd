use async_trait::async_trait;

use super::ActivityChange;
use crate::{
    activity::{ports::Repositories, projections::periods_of},
    delivery::{EventHandler, HandlerError, Received},
    orchestrator::Step,
};

/// Keeps weekly and monthly figures: adds what an activity contributes, subtracts what it no longer does.
#[derive(Debug, Clone, Copy, Default)]
pub struct PeriodStatisticsHandler;

#[async_trait]
impl<E: ActivityChange> EventHandler<E, dyn Repositories> for PeriodStatisticsHandler {
    fn name(&self) -> &'static str {
        "period-statistics"
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
