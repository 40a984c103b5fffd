//! Events and the envelopes they travel in. Nothing here knows of activities.

mod attributes;
mod cloud_event;
mod domain_event;
mod envelope;
mod trace_context;

pub use attributes::{AggregateRef, EventMetadata};
pub use cloud_event::CloudEventError;
pub use domain_event::DomainEvent;
pub use envelope::{DecodeError, EncodeError, EventEnvelope, JSON};
pub use trace_context::TraceContext;
