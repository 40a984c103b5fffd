use std::ops::ControlFlow;

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderName, HeaderValue, header},
};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};

use super::media_type;
use crate::http::{
    problem::{Problem, ProblemKind},
    state::Http,
};

/// The media type of RFC 7396.
pub(in crate::http) const MERGE_PATCH: &str = "application/merge-patch+json";

/// The media type of JSON.
const JSON: &str = "application/json";

/// How much of a body that is too large is read and thrown away, in bytes. A client that is still sending when the connection is
/// closed would see a broken connection instead of the answer.
const DISCARD_MAX: usize = 32 * 1024 * 1024;

/// A body of type `application/json`.
pub(in crate::http) struct JsonBody(pub(in crate::http) Bytes);

/// A body of type `application/merge-patch+json`, or `application/json`, which means the same here.
pub(in crate::http) struct MergePatchBody(pub(in crate::http) Bytes);

/// No body: one that is there is refused rather than ignored.
pub(in crate::http) struct NoBody;

impl FromRequest<Http> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, http: &Http) -> Result<Self, Problem> {
        media_type::check(request.headers(), &[JSON])?;
        read(request, http).await.map(Self)
    }
}

impl FromRequest<Http> for MergePatchBody {
    type Rejection = Problem;

    async fn from_request(request: Request, http: &Http) -> Result<Self, Problem> {
        media_type::check(request.headers(), &[MERGE_PATCH, JSON]).map_err(|problem| {
            let accepted = HeaderValue::from_static("application/merge-patch+json, application/json");
            problem.with_header(HeaderName::from_static("accept-patch"), accepted)
        })?;
        read(request, http).await.map(Self)
    }
}

impl FromRequest<Http> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, http: &Http) -> Result<Self, Problem> {
        if read(request, http).await?.is_empty() {
            return Ok(Self);
        }
        Err(Problem::new(ProblemKind::VALIDATION, "This operation takes no body."))
    }
}

/// Reads a body up to the limit, whether its length is announced or not.
async fn read(request: Request, http: &Http) -> Result<Bytes, Problem> {
    let options = http.options();
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    let limit = options.body_limit;
    let too_large = announced.is_some_and(|length| length > limit);
    if too_large && parts.headers.contains_key(header::EXPECT) {
        // The client waits for leave to send: not reading the body is the answer.
        return Err(body_too_large(limit));
    }
    let reading = async {
        let mut frames = body.into_data_stream();
        let read = if too_large { Ok(None) } else { collect(&mut frames, limit, announced).await };
        match read? {
            Some(body) => Ok(body),
            None => {
                discard(&mut frames).await;
                Err(body_too_large(limit))
            }
        }
    };
    match tokio::time::timeout(options.body_timeout, reading).await {
        Ok(read) => read,
        Err(_) => {
            let detail = format!("The body did not arrive within {} s.", options.body_timeout.as_secs_f64());
            Err(closing(Problem::new(ProblemKind::BODY_TIMEOUT, detail)))
        }
    }
}

/// The whole body, or `None` once it exceeds `limit`.
async fn collect<S>(frames: &mut S, limit: usize, announced: Option<usize>) -> Result<Option<Bytes>, Problem>
where
    S: Stream<Item = Result<Bytes, axum::Error>> + Unpin,
{
    let Some(first) = frames.next().await.transpose().map_err(broken_off)? else { return Ok(Some(Bytes::new())) };
    if first.len() > limit {
        return Ok(None);
    }
    // Nearly every body is one frame, which is then not copied.
    if announced == Some(first.len()) {
        return Ok(Some(first));
    }
    let mut whole = BytesMut::from(first);
    while let Some(frame) = frames.next().await.transpose().map_err(broken_off)? {
        if whole.len() + frame.len() > limit {
            return Ok(None);
        }
        whole.extend_from_slice(&frame);
    }
    Ok(Some(whole.freeze()))
}

/// Reads on and throws away, up to [`DISCARD_MAX`].
async fn discard<S: Stream<Item = Result<Bytes, axum::Error>> + Unpin>(frames: &mut S) {
    let mut left = ControlFlow::Continue(DISCARD_MAX);
    while let (ControlFlow::Continue(bytes), Some(Ok(frame))) = (left, frames.next().await) {
        left = bytes.checked_sub(frame.len()).map_or(ControlFlow::Break(()), ControlFlow::Continue);
    }
}

fn body_too_large(limit: usize) -> Problem {
    let detail = format!("The body is larger than the limit of {limit} bytes.");
    closing(Problem::new(ProblemKind::TOO_LARGE, detail))
}

/// With the connection closed after the answer: what the client still sends of the body must not be read as a request.
fn closing(problem: Problem) -> Problem {
    problem.with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

fn broken_off(_: axum::Error) -> Problem {
    closing(Problem::new(ProblemKind::MALFORMED, "The body broke off before its end."))
}
