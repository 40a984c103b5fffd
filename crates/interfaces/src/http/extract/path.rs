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

/// The `{id}` of a dead letter's path: a number.
pub(in crate::http) struct DeadLetterId(pub(in crate::http) i64);

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

impl<S: Send + Sync> FromRequestParts<S> for DeadLetterId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = |text: &str| text.parse().ok().filter(|id| *id >= 1);
        param(parts, state, "id", "must be the number of a dead letter, such as 17", read).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebhookId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        uuid(parts, state, "webhook_id").await.map(Self)
    }
}

async fn uuid<S: Send + Sync>(parts: &mut Parts, state: &S, name: &'static str) -> Result<Uuid, Problem> {
    param(parts, state, name, UUID_RULE, parse_uuid).await
}

/// The part of the path called `name`, read by `read`, which answers `None` for what breaks `rule`.
async fn param<S: Send + Sync, T>(
    parts: &mut Parts,
    state: &S,
    name: &'static str,
    rule: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Problem> {
    let refuse = |value| Problem::parameters(ProblemField::new(name, rule, value));
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| refuse(None))?;
    let given = params.iter().find(|(given, _)| *given == name).map(|(_, value)| value);
    given.and_then(read).ok_or_else(|| refuse(given))
}
