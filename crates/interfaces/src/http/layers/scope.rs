use activelog_application::ports::IdGenerator;
use activelog_domain::event::TraceContext;
use axum::http::{HeaderMap, HeaderName};
use uuid::Uuid;

use crate::http::extract::RequestScope;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The request's id, which the client may choose if it is a UUID, and its trace.
pub(super) fn scope(headers: &HeaderMap, ids: &dyn IdGenerator) -> RequestScope {
    let given = headers.get(REQUEST_ID).and_then(|v| Uuid::try_parse_ascii(v.as_bytes()).ok());
    RequestScope { id: given.unwrap_or_else(|| ids.next_id()), trace: trace(headers) }
}

fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    let parent = headers.get(TRACEPARENT)?.to_str().ok()?;
    let mut lines = headers.get_all(TRACESTATE).iter().filter_map(|line| line.to_str().ok());
    // Several lines of a list are one list.
    let state = lines.next().map(|first| lines.fold(first.to_owned(), |all, line| all + "," + line));
    TraceContext::parse(parent, state.as_deref())
}
