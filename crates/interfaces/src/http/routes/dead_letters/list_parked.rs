use activelog_application::ports::ParkedFilter;
use axum::{extract::State, http::StatusCode, response::Response};

use crate::{
    http::{
        cursor::{self, List},
        extract::{ActingUser, Params},
        problem::Problem,
        state::Http,
        views::{Page, ParkedView, json},
    },
    selection,
};

/// List parked events
///
/// Events that wait for another attempt, or behind one that does, in the order in which they were parked. They are retried without anybody
/// doing anything; those that keep failing become dead letters.
#[utoipa::path(
    get,
    path = "/parked",
    tag = "dead letters",
    params(
        ("handler" = Option<String>, Query, description = "For which handler.", example = "period-statistics"),
        ("event" = Option<String>, Query, description = "Which type of event.", example = "activity.created"),
        ("subject" = Option<String>, Query, description = "Of which aggregate; the id of an activity will do."),
    ),
    responses((status = 200, description = "A page of parked events.", body = Page<ParkedView>)),
)]
pub(super) async fn list_parked(
    State(http): State<Http>,
    acting: ActingUser,
    mut params: Params,
) -> Result<Response, Problem> {
    let filter = ParkedFilter {
        handler: params.take("handler", selection::NAME_RULE, selection::name),
        event: params.take("event", selection::NAME_RULE, selection::name),
        subject: params.take("subject", selection::NAME_RULE, selection::subject),
    };
    let after = params.take("cursor", cursor::RULE, |text| cursor::parse_number(List::Parked, text));
    let limit = params.limit();
    params.finish()?;
    acting.is_operator()?;
    let page = http.read(http.failures().parked(&filter, after, limit)).await?;
    let next_cursor = page.next.map(|next| cursor::number(List::Parked, next));
    json(StatusCode::OK, &Page { items: page.items.iter().map(ParkedView::from).collect(), next_cursor })
}
