//! The conformance suite of broker adapters: the contract of [`EventPublisher`](crate::ports::EventPublisher),
//! [`EventSubscriber`](crate::ports::EventSubscriber) and [`DeliveryStream`](crate::ports::DeliveryStream), as tests.
//!
//! # Running it
//!
//! Implement [`BrokerFixture`] and run [`Case::check`] for every one of [`cases`] that [`Case::applies`] to the adapter's
//! capabilities, each with a fixture of its own on a multi-threaded runtime with time enabled. A case that hangs fails by itself.
//!
//! ```ignore
//! for case in cases() {
//!     let fixture: Arc<dyn BrokerFixture> = Arc::new(MyFixture::start().await);
//!     let capabilities = fixture.broker().await.capabilities;
//!     if (case.applies)(&capabilities) {
//!         case.check(fixture).await.unwrap_or_else(|why| panic!("{}: {why}", case.name));
//!     }
//! }
//! ```

mod case;
mod cases;
mod crowd;
mod events;
mod fixture;
mod scene;

pub use case::{Case, Outcome, cases};
pub use events::event;
pub use fixture::BrokerFixture;
