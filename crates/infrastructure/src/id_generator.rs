//! Ids from the machine's clock and randomness.

use activelog_application::ports::IdGenerator;
use uuid::Uuid;

/// UUIDv7 from the machine's clock, with a counter: later ids of this process sort after earlier ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct UuidV7Generator;

impl IdGenerator for UuidV7Generator {
    #[expect(clippy::disallowed_methods, reason = "this is the implementation of the port")]
    fn next_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
