//! What every request passes through. One layer does it all, so that a request is boxed once and not once per concern; the
//! concerns have a file each.
//!
//! From the outside in: scope (request id and trace) → span → admission (back-pressure, rate limit, requests at once) → panic guard → handler; and
//! on the way back: problems are rendered, headers added, the access log written.

mod admission;
mod edge;
mod failure_log;
mod headers;
mod panic;
mod scope;

pub(super) use admission::Admission;
pub(super) use edge::edge;
pub(super) use failure_log::FailureLog;
pub(super) use headers::DOCS_POLICY;
