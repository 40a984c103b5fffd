use activelog_application::ports::{JournalCursor, JournalEntry};
use axum::{extract::State, http::StatusCode, response::Response};

use crate::http::{
    cursor,
    extract::{ActingUser, Params},
    problem::Problem,
    state::Http,
    views::{EntryView, EventsView, Page, json},
};

/// The published events
///
/// From the oldest kept on. `next_cursor` is null once everything has been read; `resume_cursor` goes on from there later.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    responses((status = 200, description = "A page of the journal.", body = EventsView)),
)]
pub(super) async fn list_events(
    State(http): State<Http>,
    acting: ActingUser,
    mut params: Params,
) -> Result<Response, Problem> {
    let from = params.take("cursor", cursor::RULE, cursor::parse_journal).unwrap_or_default();
    let limit = params.limit();
    params.finish()?;
    acting.is_operator()?;
    let mut rows = http.read(http.0.state.journal.read_all(&from, limit + 1)).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > shown;
    rows.truncate(shown);
    let resume_cursor = cursor::journal(&after(from, &rows));
    let page =
        Page { items: rows.iter().map(EntryView::from).collect(), next_cursor: more.then(|| resume_cursor.clone()) };
    json(StatusCode::OK, &EventsView { page, resume_cursor })
}

/// The cursor after these entries.
fn after(mut cursor: JournalCursor, rows: &[JournalEntry]) -> JournalCursor {
    for row in rows {
        if let Some(position) = cursor.0.get_mut(usize::from(row.partition.0)) {
            *position = row.position;
        }
    }
    cursor
}
