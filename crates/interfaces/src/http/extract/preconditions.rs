use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};

use crate::http::problem::{Problem, ProblemField, ProblemKind};

/// `If-Match`, which has to be there: which versions the client is willing to change.
pub(in crate::http) struct IfMatch(pub(in crate::http) Expected);

/// Which versions `If-Match` allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) enum Expected {
    /// `*`: whatever there is.
    Any,
    /// This one.
    Version(u64),
    /// One of these, which may be none: weak tags never match, nor do tags that were never given out.
    OneOf(Vec<u64>),
}

/// `If-None-Match`: which versions the client has already.
pub(in crate::http) struct IfNoneMatch(Option<Tags>);

/// What a header of entity tags holds.
enum Tags {
    Any,
    List(Vec<Tag>),
}

struct Tag {
    weak: bool,
    /// The version it stands for; `None` if it stands for none.
    version: Option<u64>,
}

impl IfNoneMatch {
    /// Whether the client has this version.
    pub(in crate::http) fn holds(&self, version: u64) -> bool {
        match &self.0 {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::List(tags)) => tags.iter().any(|tag| tag.version == Some(version)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let expected = match tags(&parts.headers, &header::IF_MATCH) {
            Err(value) => {
                let rule = "must be * or a list of entity tags, each in double quotes, such as \"3\"";
                return Err(Problem::parameters(ProblemField::new("If-Match", rule, Some(&value))));
            }
            Ok(None) => {
                let detail = "Send If-Match with the ETag of what you read, or with * to change whatever there is.";
                return Err(Problem::new(ProblemKind::PRECONDITION_REQUIRED, detail));
            }
            Ok(Some(Tags::Any)) => Expected::Any,
            Ok(Some(Tags::List(tags))) => {
                let strong: Vec<u64> = tags.iter().filter(|tag| !tag.weak).filter_map(|tag| tag.version).collect();
                match *strong {
                    [version] => Expected::Version(version),
                    _ => Expected::OneOf(strong),
                }
            }
        };
        Ok(Self(expected))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // A broken one is no condition: the client gets the whole answer.
        Ok(Self(tags(&parts.headers, &header::IF_NONE_MATCH).ok().flatten()))
    }
}

/// The tags of all lines of a header. `Err` with the value that does not follow RFC 9110.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, String> {
    let mut list = Vec::new();
    let mut lines = headers.get_all(name).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    for line in lines {
        let broken = || String::from_utf8_lossy(line.as_bytes()).into_owned();
        let mut rest = line.to_str().map_err(|_| broken())?.trim();
        if rest == "*" {
            return Ok(Some(Tags::Any));
        }
        while !rest.is_empty() {
            let (tag, after) = tag(rest).ok_or_else(broken)?;
            list.push(tag);
            rest = after.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(more) => more.trim_start(),
                None if rest.is_empty() => rest,
                None => return Err(broken()),
            };
        }
    }
    if list.is_empty() { Err(String::new()) } else { Ok(Some(Tags::List(list))) }
}

/// The first tag and what follows it.
fn tag(text: &str) -> Option<(Tag, &str)> {
    let (weak, text) = text.strip_prefix("W/").map_or((false, text), |rest| (true, rest));
    let (opaque, rest) = text.strip_prefix('"')?.split_once('"')?;
    // Only the one form that is given out: not +3, not 03.
    let version = opaque.parse::<u64>().ok().filter(|version| version.to_string() == opaque);
    Some((Tag { weak, version }, rest))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn if_match(lines: &[&str]) -> Result<Expected, u16> {
        let mut request = Request::builder();
        for line in lines {
            request = request.header(header::IF_MATCH, *line);
        }
        let (mut parts, ()) = request.body(()).expect("a valid request").into_parts();
        let read = IfMatch::from_request_parts(&mut parts, &()).await;
        read.map(|IfMatch(expected)| expected).map_err(|problem| problem.status().as_u16())
    }

    #[tokio::test]
    async fn if_match_follows_rfc_9110() {
        assert_eq!(if_match(&[r#""3""#]).await, Ok(Expected::Version(3)));
        assert_eq!(if_match(&[" * "]).await, Ok(Expected::Any));
        assert_eq!(if_match(&[r#""3", "4""#]).await, Ok(Expected::OneOf(vec![3, 4])));
        assert_eq!(if_match(&[r#""3""#, r#""4""#]).await, Ok(Expected::OneOf(vec![3, 4])));
        assert_eq!(if_match(&[r#"W/"3""#]).await, Ok(Expected::OneOf(vec![])));
        assert_eq!(if_match(&[r#""a,b""#]).await, Ok(Expected::OneOf(vec![])));
        assert_eq!(if_match(&[r#"W/"3","4""#]).await, Ok(Expected::Version(4)));
        assert_eq!(if_match(&[]).await, Err(428));
        for bad in ["3", r#""3"#, r#""3" "4""#, ""] {
            assert_eq!(if_match(&[bad]).await, Err(400), "{bad}");
        }
    }
}
