use activelog_domain::leaderboard::Standing;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{FiguresView, Page, PeriodKind};

/// One user's place.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Standing)]
pub(in crate::http) struct StandingView {
    /// From 1: by distance, then minutes, then number of activities.
    #[schema(example = 1)]
    rank: u64,
    /// Who.
    user_id: Uuid,
    #[serde(flatten)]
    figures: FiguresView,
}

impl From<&Standing> for StandingView {
    fn from(standing: &Standing) -> Self {
        Self { rank: standing.rank, user_id: standing.user_id.0, figures: standing.figures.into() }
    }
}

/// A page of a board.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Leaderboard)]
pub(in crate::http) struct LeaderboardView {
    /// What it is of.
    pub(in crate::http) period: PeriodKind,
    /// The period's first day, in UTC.
    pub(in crate::http) start: Date,
    /// The type of activity; null for all.
    #[serde(rename = "type")]
    #[schema(required = true, example = "run")]
    pub(in crate::http) kind: Option<String>,
    #[serde(flatten)]
    pub(in crate::http) page: Page<StandingView>,
}
