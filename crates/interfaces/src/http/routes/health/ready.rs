use axum::{extract::State, response::Response};

use super::components::{answer, components};
use crate::http::{problem::Problem, state::Http, views::HealthView};

/// Whether the process can do its work
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "health",
    responses(
        (status = 200, description = "It can.", body = HealthView),
        (status = 503, description = "A component is down.", body = HealthView),
    ),
)]
pub(super) async fn ready(State(http): State<Http>) -> Result<Response, Problem> {
    answer(components(&http).await, None, None)
}
