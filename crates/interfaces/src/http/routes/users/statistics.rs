use activelog_domain::user::UserId;
use axum::{extract::State, http::StatusCode, response::Response};

use super::known::known_totals;
use crate::http::{
    extract::{ActingUser, Params, PathId},
    problem::Problem,
    state::Http,
    views::{PeriodKind, PeriodView, StatisticsView, json},
};

/// The most periods of an answer: more weeks and months than there are from 1900, before which there are no activities, to 2200.
const PERIODS_MAX: u32 = 20_000;

/// A user's figures
///
/// Totals over everything, and the latest 1,000 weeks and months with activities.
#[utoipa::path(
    get,
    path = "/users/{id}/statistics",
    tag = "users",
    params(
        ("id" = uuid::Uuid, Path, description = "The user."),
        ("period" = inline(Option<PeriodKind>), Query, description = "Only `week` or only `month`.", example = "week"),
    ),
    responses((status = 200, description = "The figures.", body = StatisticsView)),
)]
pub(super) async fn get_statistics(
    State(http): State<Http>,
    acting: ActingUser,
    PathId(id): PathId,
    mut params: Params,
) -> Result<Response, Problem> {
    let user = UserId(id);
    let period = params.period();
    params.finish()?;
    acting.may_see(user)?;
    let totals = known_totals(&http, user).await?;
    let periods = http.read(http.queries().periods(user, period, PERIODS_MAX)).await?;
    let periods = periods.iter().map(PeriodView::from).collect();
    json(StatusCode::OK, &StatisticsView { totals: totals.into(), periods })
}
