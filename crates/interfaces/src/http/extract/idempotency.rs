use axum::{
    extract::FromRequestParts,
    http::{HeaderName, request::Parts},
};

use crate::http::problem::{Problem, ProblemField};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest key, in characters.
const MAX: usize = 255;

/// The `Idempotency-Key`, if there is one: 1 to 255 visible ASCII characters.
pub(in crate::http) struct IdempotencyHeader(pub(in crate::http) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyHeader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let refuse = |rule: &str| {
            let shown = String::from_utf8_lossy(value.as_bytes());
            Err(Problem::parameters(ProblemField::new("Idempotency-Key", rule, Some(&shown))))
        };
        if values.next().is_some() {
            return refuse("must not be given twice");
        }
        match value.to_str() {
            Ok(key) if (1..=MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => {
                Ok(Self(Some(key.to_owned())))
            }
            _ => refuse("must be 1 to 255 visible ASCII characters"),
        }
    }
}
