use activelog_domain::event::TraceContext;
use uuid::Uuid;

/// Where work comes from; events recorded during it carry this on.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The request or event that started everything.
    pub correlation_id: Uuid,
    /// The event being handled, if this is a handler's work.
    pub causation_id: Option<Uuid>,
    /// The caller's W3C trace context, if it sent one.
    pub trace: Option<TraceContext>,
}

impl RequestContext {
    /// The context of a request that starts something new.
    pub fn new(correlation_id: Uuid) -> Self {
        Self { correlation_id, causation_id: None, trace: None }
    }
}
