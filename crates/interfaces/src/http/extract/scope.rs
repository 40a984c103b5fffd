use std::convert::Infallible;

use activelog_application::orchestrator::RequestContext;
use activelog_domain::event::TraceContext;
use axum::{extract::FromRequestParts, http::request::Parts};
use uuid::Uuid;

/// The request's id and trace, which everything it causes carries on. The outermost layer puts it there.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct RequestScope {
    pub(in crate::http) id: Uuid,
    pub(in crate::http) trace: Option<TraceContext>,
}

impl RequestScope {
    /// The same for the application.
    pub(in crate::http) fn context(&self) -> RequestContext {
        RequestContext { trace: self.trace.clone(), ..RequestContext::new(self.id) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestScope {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
