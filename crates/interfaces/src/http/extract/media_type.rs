//! Which bodies can be read at all, by their headers.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::http::problem::{Problem, ProblemKind};

/// Fails unless the body is said to be of one of the types `accepted`, in UTF-8 and not compressed.
pub(super) fn check(headers: &HeaderMap, accepted: &[&str]) -> Result<(), Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut parts = content_type.into_iter().flat_map(|text| text.split(';')).map(str::trim);
    let found = parts.next();
    if !found.is_some_and(|found| accepted.iter().any(|known| found.eq_ignore_ascii_case(known))) {
        return Err(wrong_type(found, accepted));
    }
    if let Some(other) = parts.filter_map(charset).find(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
        // Shown escaped and cut: it comes from outside.
        return Err(refused(format!("The body is in the charset {other:.100?}; send it in UTF-8.")));
    }
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter().map(HeaderValue::as_bytes);
    if let Some(other) = encodings.find(|value| !is_identity(value)) {
        let other = String::from_utf8_lossy(other);
        let problem = refused(format!("The body is encoded with {other:.100?}; send it as it is."));
        return Err(problem.with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")));
    }
    Ok(())
}

/// The value of a parameter of a media type, if it is the charset.
fn charset(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
}

/// Whether a `Content-Encoding` changes nothing.
fn is_identity(value: &[u8]) -> bool {
    let mut codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
}

fn wrong_type(found: Option<&str>, accepted: &[&str]) -> Problem {
    let expected = accepted.join(" or ");
    refused(match found {
        Some(found) => format!("The body is {found:.100?}; send it as Content-Type: {expected}."),
        None => format!("The body has no Content-Type; send it as {expected}."),
    })
}

fn refused(detail: String) -> Problem {
    Problem::new(ProblemKind::MEDIA_TYPE, detail)
}
