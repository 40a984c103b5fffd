use serde::{Serialize, de::DeserializeOwned};

use super::{AggregateRef, Upcaster};

/// A typed fact of the domain that has already happened, such as `ActivityCreated`.
///
/// Implementations are plain data. `NAME` and `VERSION` identify the shape of the encoded data and never change for
/// a shape that has once been published; a changed shape gets the next `VERSION`, and the step that leads to it
/// goes to `UPCASTERS`.
pub trait DomainEvent: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The event's type as it travels: lower-case words joined by dots, the aggregate's kind first
    /// (`activity.created`).
    const NAME: &'static str;
    /// The version of the encoded data, from 1.
    const VERSION: u32;
    /// How data of older versions becomes data of this one: the steps 1 → 2, 2 → 3 … up to `VERSION`, in this order.
    ///
    /// An event whose steps do not fit its version does not build:
    ///
    /// ```compile_fail,E0080
    /// # use activelog_domain::event::{AggregateRef, DecodeError, DomainEvent, EventEnvelope};
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Changed {}
    ///
    /// impl DomainEvent for Changed {
    ///     const NAME: &'static str = "thing.changed";
    ///     const VERSION: u32 = 2; // and nothing leads there from version 1
    /// #   fn aggregate(&self) -> AggregateRef {
    /// #       AggregateRef { subject: "thing-1".into(), sequence: 1 }
    /// #   }
    /// }
    ///
    /// fn open(envelope: &EventEnvelope) -> Result<Changed, DecodeError> {
    ///     envelope.open()
    /// }
    /// # let _ = open as fn(&EventEnvelope) -> Result<Changed, DecodeError>;
    /// ```
    const UPCASTERS: &'static [Upcaster] = &[];

    /// The aggregate this event belongs to and the aggregate's version after it. Events of one aggregate are
    /// delivered in the order of that version.
    fn aggregate(&self) -> AggregateRef;
}
