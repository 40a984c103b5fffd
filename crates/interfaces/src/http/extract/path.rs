use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use uuid::Uuid;

use super::params::{UUID_RULE, parse_uuid};
use crate::http::problem::{Problem, ProblemField};

/// The `{id}` of the path.
pub(in crate::http) struct PathId(pub(in crate::http) Uuid);

/// The `{notification_id}` of the path.
pub(in crate::http) struct NotificationId(pub(in crate::http) Uuid);

/// The `{webhook_id}` of the path.
pub(in crate::http) struct WebhookId(pub(in crate::http) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        uuid(parts, state, "id").await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NotificationId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        uuid(parts, state, "notification_id").await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebhookId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        uuid(parts, state, "webhook_id").await.map(Self)
    }
}

async fn uuid<S: Send + Sync>(parts: &mut Parts, state: &S, name: &'static str) -> Result<Uuid, Problem> {
    let refuse = |value| Problem::parameters(ProblemField::new(name, UUID_RULE, value));
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| refuse(None))?;
    let given = params.iter().find(|(given, _)| *given == name).map(|(_, value)| value);
    given.and_then(parse_uuid).ok_or_else(|| refuse(given))
}
