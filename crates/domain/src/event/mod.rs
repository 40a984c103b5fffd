//! Events and the envelopes they travel in. Nothing here knows of activities.

mod attributes;
mod cloud_event;
mod decode;
mod domain_event;
mod envelope;
mod trace_context;
mod upcaster;

pub use attributes::{AggregateRef, EventMetadata, foreign_id};
pub use cloud_event::CloudEventError;
pub use decode::DecodeError;
pub use domain_event::DomainEvent;
pub use envelope::{EncodeError, EventEnvelope, JSON};
pub use trace_context::TraceContext;
pub use upcaster::{EventData, UpcastError, Upcaster};
