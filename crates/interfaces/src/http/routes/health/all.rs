use axum::{extract::State, response::Response};

use super::components::{answer, components};
use crate::http::{
    problem::Problem,
    state::Http,
    views::{FailuresView, HealthView, OutboxView},
};

/// How the process is doing, with figures
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    responses(
        (status = 200, description = "No component is down.", body = HealthView),
        (status = 503, description = "A component is down.", body = HealthView),
    ),
)]
pub(super) async fn health(State(http): State<Http>) -> Result<Response, Problem> {
    let limit = http.options().health_timeout;
    let outbox = tokio::time::timeout(limit, http.0.state.outbox.depth());
    let failures = tokio::time::timeout(limit, http.failures().figures());
    let (components, depth, failures) = tokio::join!(components(&http), outbox, failures);
    // What cannot be read is left out: the database's own component says why.
    let outbox = depth.ok().and_then(Result::ok).map(|d| OutboxView { events: d.events, oldest: d.oldest });
    let failures = failures.ok().and_then(Result::ok).map(FailuresView::from);
    answer(components, outbox, failures)
}
