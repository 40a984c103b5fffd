use axum::{http::StatusCode, response::Response};

use crate::http::{
    ComponentHealth, ComponentStatus,
    problem::Problem,
    state::Http,
    views::{FailuresView, HealthView, OutboxView, json},
};

/// Every component, asked now, within the health timeout. No answer counts as down.
pub(super) async fn components(http: &Http) -> Vec<ComponentHealth> {
    let limit = http.options().health_timeout;
    match tokio::time::timeout(limit, http.0.state.health.components()).await {
        Ok(components) => components,
        Err(_) => {
            let reason = format!("no answer within {} s", limit.as_secs_f64());
            vec![ComponentHealth::new("health", ComponentStatus::Down(reason))]
        }
    }
}

/// 200, or 503 if a component is down.
pub(super) fn answer(
    components: Vec<ComponentHealth>,
    outbox: Option<OutboxView>,
    failures: Option<FailuresView>,
) -> Result<Response, Problem> {
    let any = |wanted: fn(&ComponentStatus) -> bool| components.iter().any(|c| wanted(&c.status));
    let (code, status) = if any(|s| matches!(s, ComponentStatus::Down(_))) {
        (StatusCode::SERVICE_UNAVAILABLE, "down")
    } else if any(|s| matches!(s, ComponentStatus::Degraded(_))) {
        (StatusCode::OK, "degraded")
    } else {
        (StatusCode::OK, "up")
    };
    let components = components.into_iter().map(Into::into).collect();
    json(code, &HealthView { status, components, outbox, failures })
}
