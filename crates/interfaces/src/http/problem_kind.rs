use axum::http::StatusCode;

/// What kind of problem: the `type` that programs branch on, its title and its usual status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProblemKind {
    pub(super) slug: &'static str,
    pub(super) title: &'static str,
    pub(super) status: StatusCode,
}

macro_rules! kinds {
    ($($name:ident = $status:ident, $slug:literal, $title:literal;)+) => {
        impl ProblemKind {
            $(pub(super) const $name: Self = Self { slug: $slug, title: $title, status: StatusCode::$status };)+
        }
    };
}

kinds! {
    MALFORMED = BAD_REQUEST, "malformed", "The request cannot be read";
    BAD_PARAMETER = BAD_REQUEST, "invalid-parameter", "A parameter is not valid";
    FORBIDDEN = FORBIDDEN, "forbidden", "Not allowed";
    NOT_FOUND = NOT_FOUND, "not-found", "There is no such thing";
    METHOD = METHOD_NOT_ALLOWED, "method-not-allowed", "This method does not apply here";
    BODY_TIMEOUT = REQUEST_TIMEOUT, "body-timeout", "The body took too long to arrive";
    KEY_IN_USE = CONFLICT, "idempotency-key-in-use", "The same request is still being worked on";
    NOT_DEAD = CONFLICT, "dead-letter-not-dead", "Something was done about this dead letter before";
    TOO_MANY = CONFLICT, "too-many", "There are as many as there may be";
    VERSION_MISMATCH = PRECONDITION_FAILED, "version-mismatch", "It has changed since you read it";
    TOO_LARGE = PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large";
    MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "This media type is not understood here";
    VALIDATION = UNPROCESSABLE_ENTITY, "validation", "Some values are not valid";
    KEY_REUSED = UNPROCESSABLE_ENTITY, "idempotency-key-reused", "The idempotency key belongs to another request";
    PRECONDITION_REQUIRED = PRECONDITION_REQUIRED, "precondition-required", "Say which version you change";
    RATE_LIMITED = TOO_MANY_REQUESTS, "rate-limited", "Too many requests";
    INTERNAL = INTERNAL_SERVER_ERROR, "internal", "Something went wrong here";
    UNAVAILABLE = SERVICE_UNAVAILABLE, "unavailable", "Not available at the moment";
    OVERLOADED = SERVICE_UNAVAILABLE, "overloaded", "Too much to do at the moment";
    BACKPRESSURE = SERVICE_UNAVAILABLE, "backpressure", "More is written than is taken";
    STORAGE_FULL = SERVICE_UNAVAILABLE, "storage-full", "There is no room left";
    OUTCOME_UNKNOWN = SERVICE_UNAVAILABLE, "outcome-unknown", "It is not known whether this was done";
}
