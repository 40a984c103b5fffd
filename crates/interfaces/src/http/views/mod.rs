//! What answers look like as JSON, one kind per file. Domain types never reach the wire themselves.

mod achievement;
mod activity;
mod event;
mod health;
mod notification;
mod page;
mod standing;
mod statistics;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;

pub(super) use achievement::AchievementView;
pub(super) use activity::ActivityView;
pub(super) use event::{EntryView, EventsView};
pub(super) use health::{HealthView, LivenessView, OutboxView};
pub(super) use notification::NotificationView;
pub(super) use page::Page;
pub(super) use standing::{LeaderboardView, StandingView};
pub(super) use statistics::{FiguresView, PeriodView, StatisticsView};

use super::problem::Problem;

/// The entity tag of a version.
pub(super) fn etag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(body).map_err(Problem::internal)?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A number of metres in kilometres.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 m, which is a light year")]
fn km(metres: i64) -> f64 {
    metres as f64 / 1_000.0
}
