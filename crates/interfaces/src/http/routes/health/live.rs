use axum::{http::StatusCode, response::Response};

use crate::http::{
    problem::Problem,
    views::{LivenessView, json},
};

/// Whether the process answers
///
/// Touches nothing: restart the process when this fails, not when readiness does.
#[utoipa::path(
    get,
    path = "/health/live",
    tag = "health",
    responses((status = 200, description = "It does.", body = LivenessView)),
)]
pub(super) async fn live() -> Result<Response, Problem> {
    json(StatusCode::OK, &LivenessView { status: "up" })
}
