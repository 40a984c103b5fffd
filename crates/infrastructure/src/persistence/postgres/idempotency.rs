use activelog_application::ports::{
    Claim, IdempotencyKey, IdempotencyStore, StorageError, StorageErrorKind, StoredResponse,
};
use async_trait::async_trait;
use jiff_sqlx::ToSqlx;
use sqlx::types::Json;

use super::{rows::Columns, unit_of_work::PgUnitOfWork};

/// Answered requests on PostgreSQL.
pub(super) struct PgIdempotencyStore<'u>(pub(super) &'u mut PgUnitOfWork);

/// How often a key may vanish between the attempt to insert it and the attempt to read it.
const ATTEMPTS: usize = 3;

const CLAIM: &str = "claim idempotency key";

#[async_trait]
impl IdempotencyStore for PgIdempotencyStore<'_> {
    async fn claim(&mut self, key: &IdempotencyKey) -> Result<Claim, StorageError> {
        for _ in 0..ATTEMPTS {
            // The unique index makes the second of two transactions wait for the end of the first.
            let insert = sqlx::query(
                "INSERT INTO idempotency_keys (scope, key, fingerprint, created_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT DO NOTHING",
            );
            let now = self.0.shared.clock.now().to_sqlx();
            let insert = insert.bind(key.scope.as_str()).bind(key.key.as_str()).bind(key.fingerprint).bind(now);
            if self.0.session.execute(CLAIM, insert).await? == 1 {
                return Ok(Claim::New);
            }
            if let Some(claim) = self.read(key).await? {
                return Ok(claim);
            }
        }
        Err(StorageError::new(StorageErrorKind::Contention, CLAIM, "the key appears and disappears"))
    }

    async fn answer(&mut self, key: &IdempotencyKey, response: &StoredResponse) -> Result<(), StorageError> {
        const OPERATION: &str = "answer idempotency key";
        let update = sqlx::query(
            "UPDATE idempotency_keys SET status = $3, headers = $4, body = $5 WHERE scope = $1 AND key = $2",
        );
        let update = update
            .bind(key.scope.as_str())
            .bind(key.key.as_str())
            .bind(i32::from(response.status))
            .bind(Json(&response.headers))
            .bind(response.body.as_ref());
        match self.0.session.execute(OPERATION, update).await? {
            1 => Ok(()),
            _ => Err(StorageError::new(StorageErrorKind::Other, OPERATION, "this transaction has not claimed the key")),
        }
    }
}

impl PgIdempotencyStore<'_> {
    /// What is stored under a key; `None` if it has vanished. A key that was committed without an answer is as good as new; the lock
    /// lets one transaction take it.
    async fn read(&mut self, key: &IdempotencyKey) -> Result<Option<Claim>, StorageError> {
        let select = sqlx::query(
            "SELECT fingerprint, status, headers, body FROM idempotency_keys WHERE scope = $1 AND key = $2 FOR UPDATE",
        );
        let select = select.bind(key.scope.as_str()).bind(key.key.as_str());
        let Some(row) = self.0.session.row(CLAIM, select).await? else { return Ok(None) };
        let mut columns = Columns::of(&row, CLAIM);
        let fingerprint: &[u8] = columns.take()?;
        if fingerprint != key.fingerprint {
            return Ok(Some(Claim::Mismatch));
        }
        let Some(status) = columns.take::<Option<i32>>()? else { return Ok(Some(Claim::New)) };
        let Json(headers): Json<Vec<(String, String)>> = columns.take()?;
        let body: Vec<u8> = columns.take()?;
        let status = columns.checked(u16::try_from(status))?;
        Ok(Some(Claim::Answered(StoredResponse { status, headers, body: body.into() })))
    }
}
