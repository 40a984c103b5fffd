use serde::{Serialize, de::DeserializeOwned};

use super::AggregateRef;

/// A typed fact of the domain that has already happened, such as `ActivityCreated`.
///
/// Implementations are plain data. `NAME` and `VERSION` identify the shape of the encoded data and never change for
/// a shape that has once been published; a changed shape gets the next `VERSION`.
pub trait DomainEvent: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The event's type as it travels: lower-case words joined by dots, the aggregate's kind first
    /// (`activity.created`).
    const NAME: &'static str;
    /// The version of the encoded data, from 1.
    const VERSION: u32;

    /// The aggregate this event belongs to and the aggregate's version after it. Events of one aggregate are
    /// delivered in the order of that version.
    fn aggregate(&self) -> AggregateRef;
}
