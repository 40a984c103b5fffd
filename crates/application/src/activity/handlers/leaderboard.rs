use async_trait::async_trait;

use super::ActivityChange;
use crate::{
    activity::{ports::Repositories, projections::boards_of},
    delivery::{EventHandler, HandlerError, Projection, Received},
    orchestrator::Step,
    ports::StorageError,
};

const NAME: &str = "leaderboard";

/// Keeps the leaderboards of the week and the month, of all types and of the activity's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeaderboardHandler;

#[async_trait]
impl<E: ActivityChange> EventHandler<E, dyn Repositories> for LeaderboardHandler {
    fn name(&self) -> &'static str {
        NAME
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

#[async_trait]
impl Projection<dyn Repositories> for LeaderboardHandler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn clear(&self, limit: u32, step: &mut Step<'_, dyn Repositories>) -> Result<u64, StorageError> {
        step.tx().leaderboards().clear(limit).await
    }
}

#[cfg(test)]
mod tests {
    use activelog_domain::{
        activity::{ActivityChanges, ActivityType},
        leaderboard::Board,
        statistics::{Figures, Period},
        user::{Actor, UserId},
    };
    use jiff::civil::date;

    use crate::activity::{
        fixture::{ANNA, BERT, Fixture, draft},
        ports::Queries,
        use_cases::{NewActivity, UpdateActivity},
    };

    async fn ranks(f: &Fixture, activity_type: Option<&str>) -> Vec<(u64, UserId, i64)> {
        let activity_type = activity_type.map(|t| ActivityType::new(t).expect("a valid type"));
        let board = Board { period: Period::Month, start: date(2026, 1, 1), activity_type };
        let standings = f.store.leaderboard(&board, 0, 100).await.expect("standings");
        standings.into_iter().map(|s| (s.rank, s.user_id, s.figures.distance_metres)).collect()
    }

    #[tokio::test]
    async fn an_activity_counts_on_the_board_of_all_types_and_of_its_own() {
        let mut f = Fixture::new();
        let run = f.created(5, 5_000).await;
        let bert = NewActivity { actor: Actor::User(BERT), draft: draft(BERT, 6, 6_000) };
        f.log.create(bert).await.expect("a created activity");
        f.handle_all().await;
        for board in [None, Some("run")] {
            assert_eq!(ranks(&f, board).await, [(1, BERT, 6_000), (2, ANNA, 5_000)]);
        }
        let ride = ActivityChanges { activity_type: ActivityType::new("ride").ok(), ..Default::default() };
        let input = UpdateActivity { actor: Actor::User(ANNA), id: run.id, expected: None, changes: ride };
        f.log.update(input).await.expect("an updated activity");
        f.handle_all().await;
        assert_eq!(ranks(&f, None).await, [(1, BERT, 6_000), (2, ANNA, 5_000)]);
        assert_eq!(ranks(&f, Some("run")).await, [(1, BERT, 6_000)]);
        assert_eq!(ranks(&f, Some("ride")).await, [(1, ANNA, Figures::of(&run).distance_metres)]);
    }
}
