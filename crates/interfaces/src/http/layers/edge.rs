use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use super::{
    Admission, FailureLog, headers, panic,
    scope::{REQUEST_ID, scope},
};
use crate::http::{problem::Problem, state::Http};

/// The outermost layer: see the module's documentation.
pub(in crate::http) async fn edge(
    State((http, admission, failures)): State<(Http, Admission, Arc<FailureLog>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let scope = scope(request.headers(), &*http.0.state.ids);
    let seen = Seen { id: scope.id, method: request.method().clone(), uri: request.uri().clone() };
    let span = tracing::info_span!("http", method = %seen.method, path = seen.uri.path(), request_id = %seen.id);
    let response = match admission.admit(&seen.method, seen.uri.path(), request.extensions()) {
        Ok(_permit) => {
            request.extensions_mut().insert(scope);
            panic::guard(next.run(request)).instrument(span.clone()).await
        }
        Err(problem) => problem.into_response(),
    };
    let _entered = span.enter();
    let mut response = seen.present(response, &failures);
    headers::secure(response.headers_mut());
    if let Ok(id) = HeaderValue::try_from(seen.id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) as &str) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    tracing::debug!(status = response.status().as_u16(), duration_us = micros(started.elapsed()), "request answered");
    response
}

/// What of a request is still needed once it has been answered.
struct Seen {
    id: Uuid,
    method: Method,
    uri: Uri,
}

impl Seen {
    /// Renders the problem a response stands for, if it does, and logs what is the server's fault.
    fn present(&self, mut response: Response, failures: &FailureLog) -> Response {
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return response;
        }
        let problem = match response.extensions_mut().remove::<Problem>() {
            Some(problem) => problem,
            // The framework's own answers are empty or plain text; handlers' have a media type.
            None if is_bare(response.headers()) => Problem::of_status(status, self.method.as_str(), self.uri.path()),
            None => return response,
        };
        if let (true, Some(cause)) = (status.is_server_error(), problem.cause())
            && let Some(unlogged) = failures.admit(status, problem.slug())
        {
            let status = status.as_u16();
            if unlogged == 0 {
                tracing::error!(status, problem = problem.slug(), cause, "request failed");
            } else {
                tracing::error!(
                    status,
                    problem = problem.slug(),
                    unlogged,
                    cause,
                    "request failed, as others before it"
                );
            }
        }
        let mut kept = HeaderMap::new();
        if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
            kept.insert(header::ALLOW, allow);
        }
        problem.render(self.uri.path(), self.id, kept)
    }
}

fn is_bare(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|media| media.as_bytes().starts_with(b"text/plain"))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
