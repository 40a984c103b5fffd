use activelog_application::ports::DeadLetterFilter;
use axum::{extract::State, http::StatusCode, response::Response};

use crate::{
    http::{
        cursor::{self, List},
        extract::{ActingUser, Params},
        problem::Problem,
        state::Http,
        views::{DeadLetterStateKind, DeadLetterView, DeathReasonKind, Page, json},
    },
    selection,
};

/// List dead letters
///
/// Newest first. Of an error, the list has the beginning.
#[utoipa::path(
    get,
    path = "/dead-letters",
    tag = "dead letters",
    params(
        ("handler" = Option<String>, Query, description = "Whose.", example = "period-statistics"),
        ("event" = Option<String>, Query, description = "Which type of event.", example = "activity.created"),
        ("subject" = Option<String>, Query, description = "Of which aggregate; the id of an activity will do."),
        ("reason" = inline(Option<DeathReasonKind>), Query, description = "Why it died last.", example = "exhausted"),
        ("state" = inline(Option<DeadLetterStateKind>), Query, description = "In which state.", example = "dead"),
        ("from" = Option<String>, Query, description = "Died last at this instant or day, or later.", example = "2026-03-01"),
        ("to" = Option<String>, Query, description = "Died last before this instant or day: exclusive.", example = "2026-04-01"),
    ),
    responses((status = 200, description = "A page of dead letters.", body = Page<DeadLetterView>)),
)]
pub(super) async fn list_dead_letters(
    State(http): State<Http>,
    acting: ActingUser,
    mut params: Params,
) -> Result<Response, Problem> {
    let filter = DeadLetterFilter {
        handler: params.take("handler", selection::NAME_RULE, selection::name),
        event: params.take("event", selection::NAME_RULE, selection::name),
        subject: params.take("subject", selection::NAME_RULE, selection::subject),
        reason: params.take("reason", selection::REASON_RULE, selection::reason),
        state: params.take("state", selection::STATE_RULE, selection::state),
        from: params.instant("from"),
        to: params.instant("to"),
    };
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && from > to
    {
        params.refuse("from", "must not be after to", &from.to_string());
    }
    let before = params.take("cursor", cursor::RULE, |text| cursor::parse_number(List::DeadLetters, text));
    let limit = params.limit();
    params.finish()?;
    acting.is_operator()?;
    let page = http.read(http.failures().list(&filter, before, limit)).await?;
    let next_cursor = page.next.map(|next| cursor::number(List::DeadLetters, next));
    json(StatusCode::OK, &Page { items: page.items.iter().map(DeadLetterView::listed).collect(), next_cursor })
}
