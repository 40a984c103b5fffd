//! Runs a change and answers it, once per idempotency key.

use std::time::Duration;

use activelog_application::{
    activity::ports::Repositories,
    orchestrator::{IdempotentOutcome, Outputs, Run},
    ports::{IdempotencyKey, StoredResponse},
};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode},
    response::Response,
};
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3Default;

use super::{
    extract::{ActingUser, RequestScope},
    problem::{Problem, ProblemKind},
    state::Http,
};

/// Says that an answer is the one a request with the same key got before.
pub(super) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// How soon to ask again for the answer to a request that is being worked on.
const KEY_RETRY: Duration = Duration::from_secs(1);

/// A POST, as far as its idempotency goes.
pub(super) struct Post<'a> {
    /// Method and path template: `POST /activities`.
    pub(super) operation: &'static str,
    /// The path itself.
    pub(super) path: &'a str,
    /// The body as it was sent.
    pub(super) body: &'a [u8],
    /// The key, if the client gave one.
    pub(super) key: Option<String>,
    /// Who asks.
    pub(super) acting: ActingUser,
}

impl Post<'_> {
    /// The digest of everything that makes this request the same as another.
    fn fingerprint(&self) -> [u8; 16] {
        let mut hash = Xxh3Default::new();
        for part in [self.operation.as_bytes(), self.path.as_bytes(), self.body] {
            // The length keeps parts from running into each other.
            hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        hash.digest128().to_be_bytes()
    }
}

/// Runs a POST's change. `encode` makes its answer.
pub(super) async fn post(
    http: &Http,
    scope: &RequestScope,
    mut post: Post<'_>,
    run: Run<dyn Repositories>,
    encode: fn(&Outputs) -> StoredResponse,
) -> Result<Response, Problem> {
    let run = run.context(scope.context()).timeout(http.options().request_timeout);
    let Some(key) = post.key.take() else {
        return respond(encode(&run.await?));
    };
    let owner = format!("{} {}", post.operation, post.acting.name());
    let Some(_under_way) = http.begin(&owner, &key) else {
        let detail = "A request with this Idempotency-Key is being worked on. Send it again to get its answer.";
        return Err(Problem::new(ProblemKind::KEY_IN_USE, detail).with_retry_after(KEY_RETRY));
    };
    let key = IdempotencyKey { scope: owner, key, fingerprint: post.fingerprint() };
    match run.idempotent(key, encode).await? {
        IdempotentOutcome::Done(response) => respond(response),
        IdempotentOutcome::Replayed(response) => {
            let mut response = respond(response)?;
            response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
            Ok(response)
        }
    }
}

/// An answer that can be kept: JSON with these headers.
pub(super) fn stored(status: StatusCode, headers: &[(&str, String)], body: Option<&impl Serialize>) -> StoredResponse {
    let body = body.and_then(|body| serde_json::to_vec(body).ok());
    let status = if body.is_some() { status } else { StatusCode::INTERNAL_SERVER_ERROR };
    let mut kept = vec![("content-type".to_owned(), "application/json".to_owned())];
    kept.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    StoredResponse { status: status.as_u16(), headers: kept, body: body.unwrap_or_default().into() }
}

/// A kept answer as a response.
fn respond(stored: StoredResponse) -> Result<Response, Problem> {
    let mut response = Response::builder().status(stored.status);
    for (name, value) in stored.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(stored.body)).map_err(Problem::internal)
}
