use async_trait::async_trait;
use bytes::Bytes;

use super::StorageError;

/// A client's name for one request, unique within its scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Whose keys they are: `POST /activities`, or a user's.
    pub scope: String,
    /// The key the client chose.
    pub key: String,
    /// A digest of the request: the same key with another request is a mistake.
    pub fingerprint: [u8; 16],
}

/// The answer a request got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    /// HTTP status, or whatever the caller's protocol calls it.
    pub status: u16,
    /// Headers worth repeating.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// What became of claiming a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The key is new and now held by this transaction.
    New,
    /// The request was answered before.
    Answered(StoredResponse),
    /// The key was used for another request.
    Mismatch,
}

/// Answered requests, kept in the transaction that did the work: the answer is there if and only if the work is.
#[async_trait]
pub trait IdempotencyStore: Send {
    /// Claims a key. While another transaction holds it, waits for that one to end.
    async fn claim(&mut self, key: &IdempotencyKey) -> Result<Claim, StorageError>;

    /// Keeps the answer under a key this transaction has claimed.
    async fn answer(&mut self, key: &IdempotencyKey, response: &StoredResponse) -> Result<(), StorageError>;
}
