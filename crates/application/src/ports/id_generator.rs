use uuid::Uuid;

/// Makes ids. Injected, so that tests know them.
pub trait IdGenerator: Send + Sync + 'static {
    /// A new UUIDv7: unique, and later ids of one generator sort after earlier ones.
    fn next_id(&self) -> Uuid;
}
