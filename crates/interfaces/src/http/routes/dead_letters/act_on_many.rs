use std::time::Duration;

use activelog_application::failures::{BulkError, BulkOptions, Remedy};
use axum::{extract::State, http::StatusCode, response::Response};
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::choice::{Choice, ChoiceBody};
use crate::http::{
    extract::{ActingUser, JsonBody, Params},
    problem::{Problem, error_chain},
    state::Http,
    views::{BulkView, json},
};

/// After how long a request begins no further page. The client goes on with the cursor.
const WITHIN: Duration = Duration::from_secs(5);

/// Replay dead letters
///
/// Oldest first, up to 1,000 in a request and some seconds: send `next_cursor` as `cursor`, with the same filter, until it is null. What
/// dies again meanwhile is not replayed again. Sent twice, it has the effect of once.
#[utoipa::path(
    post,
    path = "/dead-letters/replay",
    tag = "dead letters",
    request_body(content = ChoiceBody, content_type = "application/json"),
    responses((status = 200, description = "What was done.", body = BulkView)),
)]
pub(super) async fn replay_dead_letters(
    State(http): State<Http>,
    acting: ActingUser,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    act_on_many(&http, acting, params, &body, Remedy::Replay).await
}

/// Discard dead letters
///
/// Oldest first, up to 1,000 in a request and some seconds: send `next_cursor` as `cursor`, with the same filter, until it is null. Sent
/// twice, it has the effect of once.
#[utoipa::path(
    post,
    path = "/dead-letters/discard",
    tag = "dead letters",
    request_body(content = ChoiceBody, content_type = "application/json"),
    responses((status = 200, description = "What was done.", body = BulkView)),
)]
pub(super) async fn discard_dead_letters(
    State(http): State<Http>,
    acting: ActingUser,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    act_on_many(&http, acting, params, &body, Remedy::Discard).await
}

async fn act_on_many(
    http: &Http,
    acting: ActingUser,
    params: Params,
    body: &Bytes,
    remedy: Remedy,
) -> Result<Response, Problem> {
    params.finish()?;
    let Choice { filter, options } = Choice::parse(body)?;
    acting.is_operator()?;
    let options = BulkOptions { within: Some(WITHIN.min(http.options().request_timeout / 2)), ..options };
    let never = CancellationToken::new();
    let mut progress = |_: &_| {};
    let run = http.failures().remedy_all(remedy, &filter, options, &never, &mut progress);
    let report = http.change(async { Ok(run.await) }).await?.map_err(|error| stopped(&error))?;
    json(StatusCode::OK, &BulkView::new(remedy, options.dry_run, &report))
}

/// The storage failed on the way: what was done stays done.
fn stopped(error: &BulkError) -> Problem {
    if !error.source.is_transient() {
        return Problem::internal(error);
    }
    let detail = format!(
        "The database failed after {} of them were done. Send it again to go on; nothing is done twice.",
        error.report.done
    );
    let after = error.source.retry_after().unwrap_or(Duration::from_secs(1));
    Problem::unavailable(detail, after).with_cause(error_chain(error))
}
