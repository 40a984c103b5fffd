//! What surrounds every invocation of a handler, one file each.

mod concurrency;
mod park_first;
mod span;

use std::sync::Arc;

pub use concurrency::ConcurrencyLayer;
pub use park_first::ParkFirstLayer;
pub use span::SpanLayer;

use super::Invocation;

/// Something every invocation goes through.
pub trait Layer: Send + Sync + 'static {
    /// Puts this layer around `inner`.
    fn wrap(&self, inner: Arc<dyn Invocation>) -> Arc<dyn Invocation>;
}
