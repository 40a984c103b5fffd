use activelog_domain::{activity::utc_day, leaderboard::Board, statistics::Period};
use axum::{extract::State, http::StatusCode, response::Response};

use crate::http::{
    cursor::{self, BoardCursor},
    extract::Params,
    problem::Problem,
    state::Http,
    views::{LeaderboardView, Page, PeriodKind, StandingView, json},
};

/// Who did most in a week or a month
#[utoipa::path(
    get,
    path = "/leaderboard",
    tag = "leaderboard",
    params(
        ("period" = inline(Option<PeriodKind>), Query, description = "`week` (the default) or `month`.", example = "week"),
        ("type" = Option<String>, Query, description = "One type of activity; all without it.", example = "run"),
        (
            "start" = Option<jiff::civil::Date>,
            Query,
            description = "A day of the period, in UTC; without it, the present week or month.",
        ),
    ),
    responses((status = 200, description = "A page of the board.", body = LeaderboardView)),
)]
pub(super) async fn get_leaderboard(State(http): State<Http>, mut params: Params) -> Result<Response, Problem> {
    let period = params.period();
    let activity_type = params.activity_type();
    let start = params.date("start");
    let cursor = params.take("cursor", cursor::RULE, BoardCursor::parse);
    let limit = params.limit();
    // The cursor remembers the board: the next page is of the same week, whatever the time is by then.
    let today = utc_day(http.0.state.clock.now());
    let chosen = period.or(cursor.map(|c| c.period)).unwrap_or(Period::Week);
    let first = start.map(|day| chosen.start(day)).or(cursor.map(|c| c.start)).unwrap_or_else(|| chosen.start(today));
    if cursor.is_some_and(|c| (c.period, c.start) != (chosen, first)) {
        params.refuse("cursor", "belongs to another period or start", chosen.as_str());
    }
    params.finish()?;
    let board = Board { period: chosen, start: first, activity_type };
    let after = cursor.map_or(0, |c| c.rank);
    let rows = http.read(http.queries().leaderboard(&board, after, limit + 1)).await?;
    let next = |s: &activelog_domain::leaderboard::Standing| {
        BoardCursor { period: chosen, start: first, rank: s.rank }.encode()
    };
    let page = Page::of(&rows, limit + 1, StandingView::from, next);
    let kind = board.activity_type.map(|kind| kind.as_str().to_owned());
    json(StatusCode::OK, &LeaderboardView { period: chosen.into(), start: first, kind, page })
}
