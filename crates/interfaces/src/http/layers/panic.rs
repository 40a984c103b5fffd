use std::{any::Any, panic::AssertUnwindSafe};

use axum::response::{IntoResponse, Response};
use futures::FutureExt;

use crate::http::problem::{Problem, ProblemKind};

/// The response, or a 500 problem if making it panics. State shared by requests is behind locks that stay usable after a panic.
pub(super) async fn guard(handler: impl Future<Output = Response>) -> Response {
    match AssertUnwindSafe(handler).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let cause = format!("the handler panicked: {}", message(&*panic));
            Problem::new(ProblemKind::INTERNAL, "This is not your fault. Tell the operator the request id.")
                .with_cause(cause)
                .into_response()
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
