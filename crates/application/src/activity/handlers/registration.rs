use std::sync::Arc;

use activelog_domain::activity::{ActivityCreated, ActivityDeleted, ActivityUpdated};

use super::{AchievementsHandler, LeaderboardHandler, PeriodStatisticsHandler};
use crate::{
    activity::ports::Repositories,
    delivery::{EventHandler, Projection, Router},
};

/// Registers every handler of the activity log.
#[must_use]
pub fn register(router: Router<dyn Repositories>) -> Router<dyn Repositories> {
    let router = on_every_change(router, PeriodStatisticsHandler);
    let router = on_every_change(router, AchievementsHandler);
    on_every_change(router, LeaderboardHandler)
}

/// The handlers whose events can be replayed.
#[must_use]
pub fn projections() -> Vec<Arc<dyn Projection<dyn Repositories>>> {
    vec![Arc::new(PeriodStatisticsHandler), Arc::new(AchievementsHandler), Arc::new(LeaderboardHandler)]
}

/// Registers a handler for everything that can happen to an activity.
fn on_every_change<H>(router: Router<dyn Repositories>, handler: H) -> Router<dyn Repositories>
where
    H: EventHandler<ActivityCreated, dyn Repositories>
        + EventHandler<ActivityUpdated, dyn Repositories>
        + EventHandler<ActivityDeleted, dyn Repositories>,
{
    let handler = Arc::new(handler);
    router.on::<ActivityCreated>(handler.clone()).on::<ActivityUpdated>(handler.clone()).on::<ActivityDeleted>(handler)
}
