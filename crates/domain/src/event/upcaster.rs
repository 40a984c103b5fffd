use std::borrow::Cow;

use serde_json::{Map, Value};

use super::DomainEvent;

/// An event's data as JSON fields, on the way from one version to another.
pub type EventData = Map<String, Value>;

/// One step of an event's data from a version to the next: a pure function, declared next to the event.
///
/// A step works on JSON, not on a type of the old version, so that a version once left behind needs no struct of its own. It sees
/// data that another program may have written: what is missing is an [`UpcastError`], never a panic.
#[derive(Debug, Clone, Copy)]
pub struct Upcaster {
    from: u32,
    step: fn(EventData) -> Result<EventData, UpcastError>,
}

impl Upcaster {
    /// The step from version `from` to the one after it.
    pub const fn new(from: u32, step: fn(EventData) -> Result<EventData, UpcastError>) -> Self {
        Self { from, step }
    }

    /// The version it takes.
    pub const fn from(&self) -> u32 {
        self.from
    }

    /// The data in the next version.
    pub fn apply(&self, data: EventData) -> Result<EventData, UpcastError> {
        (self.step)(data)
    }
}

/// Data is not what its version says, so no step can turn it into the next one. Says what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UpcastError(pub Cow<'static, str>);

/// Stops the build unless an event's steps lead from version 1 to its own, one by one.
pub(super) const fn check<E: DomainEvent>() {
    let steps = E::UPCASTERS;
    assert!(E::VERSION >= 1, "VERSION counts from 1");
    assert!(steps.len() == E::VERSION as usize - 1, "UPCASTERS must hold one step less than VERSION");
    let mut index = 0;
    while index < steps.len() {
        assert!(steps[index].from as usize == index + 1, "UPCASTERS must go from 1 up, one version a step");
        index += 1;
    }
}
