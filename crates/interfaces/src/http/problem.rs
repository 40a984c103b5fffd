use std::{borrow::Cow, error::Error, time::Duration};

use activelog_domain::validation::FieldError;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::broken_rules::BrokenRules;
pub(super) use super::problem_kind::ProblemKind;

/// The media type of problems.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// How much of a refused value a problem repeats, in characters.
const SHOWN: usize = 64;

/// The longest `detail`, in bytes. It may repeat what the request says, such as its path.
const DETAIL: usize = 4_000;

/// One value that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProblemField)]
pub(super) struct ProblemField {
    /// The field or parameter, by its name in the request.
    #[schema(value_type = String, example = "duration_minutes")]
    pub(super) field: Cow<'static, str>,
    /// The rule it breaks, as an instruction.
    #[schema(example = "must be 1 to 43200 whole minutes")]
    pub(super) rule: String,
    /// The value that broke it, shortened; null when the field is missing.
    #[schema(example = "0")]
    pub(super) value: Option<String>,
}

impl ProblemField {
    /// `field` breaks `rule` with `value`, which is shown shortened.
    pub(super) fn new(field: impl Into<Cow<'static, str>>, rule: impl Into<String>, value: Option<&str>) -> Self {
        Self { field: field.into(), rule: rule.into(), value: value.map(shown) }
    }

    /// `field` is not there, and has to be.
    pub(super) fn missing(field: &'static str) -> Self {
        Self::new(field, "is required", None)
    }
}

/// Text from outside as a problem repeats it: shortened, without control characters.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(escape).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The character, or its escape if it is a control character.
fn escape(c: char) -> impl Iterator<Item = char> {
    let (escaped, plain) = if c.is_control() { (Some(c.escape_unicode()), None) } else { (None, Some(c)) };
    escaped.into_iter().flatten().chain(plain)
}

impl From<FieldError> for ProblemField {
    fn from(error: FieldError) -> Self {
        Self { field: error.field.into(), rule: error.rule, value: Some(error.value) }
    }
}

/// Why a request was not answered as asked. It becomes an RFC 9457 document where the request is known: the outermost layer
/// adds the path and the request id, and logs it if it is the server's fault.
#[derive(Debug, Clone)]
pub(super) struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    kind: ProblemKind,
    detail: Cow<'static, str>,
    errors: Vec<ProblemField>,
    current_version: Option<u64>,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What went wrong inside: for the log, never for the client.
    cause: Option<String>,
}

impl Problem {
    pub(super) fn new(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            kind,
            detail: shortened(detail.into()),
            errors: Vec::new(),
            current_version: None,
            retry_after: None,
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// Values of the body that break rules.
    pub(super) fn validation(rules: impl Into<BrokenRules>) -> Self {
        Self::broken(ProblemKind::VALIDATION, rules.into())
    }

    /// Parameters, of the query or the path, or headers that break rules.
    pub(super) fn parameters(rules: impl Into<BrokenRules>) -> Self {
        Self::broken(ProblemKind::BAD_PARAMETER, rules.into())
    }

    fn broken(kind: ProblemKind, rules: BrokenRules) -> Self {
        let mut problem = Self::new(kind, rules.summary());
        problem.0.errors = rules.into_named();
        problem
    }

    pub(super) fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(ProblemKind::NOT_FOUND, format!("There is no {what} {id}."))
    }

    pub(super) fn unavailable(detail: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self::new(ProblemKind::UNAVAILABLE, detail).with_retry_after(retry_after)
    }

    /// Something that should not happen. The client learns nothing of `cause`.
    pub(super) fn internal(cause: impl Error) -> Self {
        Self::new(ProblemKind::INTERNAL, "This is not your fault. Tell the operator the request id.")
            .with_cause(error_chain(&cause))
    }

    pub(super) fn with_cause(mut self, cause: String) -> Self {
        self.0.cause = Some(cause);
        self
    }

    pub(super) fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    pub(super) fn with_current_version(mut self, version: u64) -> Self {
        self.0.current_version = Some(version);
        self
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The status it is answered with.
    pub(super) fn status(&self) -> StatusCode {
        self.0.kind.status
    }

    /// Its `type`, shortened to what tells it apart.
    pub(super) fn slug(&self) -> &'static str {
        self.0.kind.slug
    }

    /// What went wrong inside, if anything did.
    pub(super) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The problem that a response of the framework's own means, such as 404 for a path without a route.
    pub(super) fn of_status(status: StatusCode, method: &str, path: &str) -> Self {
        match status {
            StatusCode::NOT_FOUND => {
                Self::new(ProblemKind::NOT_FOUND, format!("There is nothing at {path}. See /docs for what there is."))
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(ProblemKind::METHOD, format!("{method} does not apply to {path}. Allow says what does."))
            }
            status => {
                let kind = ProblemKind { slug: "other", title: status.canonical_reason().unwrap_or("Error"), status };
                let problem = Self::new(kind, "The request could not be answered.");
                // Without a cause it would not be logged.
                if status.is_server_error() { problem.with_cause("no handler says why".to_owned()) } else { problem }
            }
        }
    }

    /// The RFC 9457 document for a request to `instance`.
    pub(super) fn render(&self, instance: &str, request_id: Uuid, kept: HeaderMap) -> Response {
        let parts = &*self.0;
        let document = ProblemDocument {
            kind: format!("urn:activelog:problem:{}", parts.kind.slug),
            title: parts.kind.title,
            status: parts.kind.status.as_u16(),
            detail: &parts.detail,
            instance,
            request_id,
            current_version: parts.current_version,
            errors: &parts.errors,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = parts.kind.status;
        let headers = response.headers_mut();
        *headers = kept;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = parts.retry_after {
            // Whole seconds is all the header can say; never 0, which would invite a storm.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        for (name, value) in &parts.headers {
            headers.insert(name.clone(), value.clone());
        }
        response
    }
}

/// The beginning of a detail that is too long.
fn shortened(detail: Cow<'static, str>) -> Cow<'static, str> {
    if detail.len() > DETAIL { beginning(&detail, DETAIL).into() } else { detail }
}

/// The text, or its first `bytes` at most with a sign that there is more.
pub(super) fn beginning(text: &str, bytes: usize) -> String {
    let end = text.floor_char_boundary(bytes);
    if end < text.len() { format!("{}…", text.get(..end).unwrap_or_default()) } else { text.to_owned() }
}

/// An error and everything it came from.
pub(super) fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        // Many errors repeat their source in their own message.
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

/// An RFC 9457 problem document.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument<'a> {
    /// What kind of problem, for programs to branch on.
    #[serde(rename = "type")]
    #[schema(example = "urn:activelog:problem:validation")]
    kind: String,
    /// The kind in words; the same for every problem of that kind.
    #[schema(example = "Some values are not valid")]
    title: &'a str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// What is wrong this time, and what to do about it.
    #[schema(example = "duration_minutes must be 1 to 43200 whole minutes.")]
    detail: &'a str,
    /// The path that was asked for.
    #[schema(example = "/activities")]
    instance: &'a str,
    /// The request, as the log knows it.
    request_id: Uuid,
    /// The version there is, when another was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    current_version: Option<u64>,
    /// The values that break rules, at most 20; `detail` says how many more there are.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ProblemField],
}
