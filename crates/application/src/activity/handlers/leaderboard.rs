use async_trait::async_trait;

use super::ActivityChange;
use crate::{
    activity::{ports::Repositories, projections::boards_of},
    delivery::{EventHandler, HandlerError, Received},
    orchestrator::Step,
};

/// Keeps the leaderboards of the week and the month, of all types and of the activity's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeaderboardHandler;

#[async_trait]
impl<E: ActivityChange> EventHandler<E, dyn Repositories> for LeaderboardHandler {
    fn name(&self) -> &'static str {
        "leaderboard"
    }

    async fn handle(
        &self,
        received: &Received<'_, E>,
        step: &mut Step<'_, dyn Repositories>,
    ) -> Result<(), HandlerError> {
        let change = received.event.change();
        let changes = change.differences(|snapshot| {
            let boards = boards_of(snapshot.day(), &snapshot.activity_type()?);
            Ok(boards.to_vec())
        })?;
        if !changes.is_empty() {
            step.tx().leaderboards().add(change.user, &changes).await?;
        }
        Ok(())
    }
}
