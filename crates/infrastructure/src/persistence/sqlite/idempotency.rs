use activelog_application::ports::{
    Claim, Clock, IdempotencyKey, IdempotencyStore, StorageError, StorageErrorKind, StoredResponse,
};
use async_trait::async_trait;
use sqlx::{Row, sqlite::SqliteRow};

use super::{error_mapping::corrupt, statement::Statement, write_unit::WriteUnit};

/// Answered requests in a unit of work.
pub(super) struct SqliteIdempotencyStore<'a> {
    pub(super) unit: &'a mut WriteUnit,
    pub(super) clock: &'a dyn Clock,
}

fn stored(row: &SqliteRow) -> Result<(Vec<u8>, Option<StoredResponse>), sqlx::Error> {
    let invalid = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
    let response = match row.try_get::<Option<i64>, _>("status")? {
        None => None,
        Some(status) => Some(StoredResponse {
            status: u16::try_from(status).map_err(|error| invalid(error.into()))?,
            headers: serde_json::from_str(row.try_get("headers")?).map_err(|error| invalid(error.into()))?,
            body: row.try_get::<Vec<u8>, _>("body")?.into(),
        }),
    };
    Ok((row.try_get("fingerprint")?, response))
}

#[async_trait]
impl IdempotencyStore for SqliteIdempotencyStore<'_> {
    async fn claim(&mut self, key: &IdempotencyKey) -> Result<Claim, StorageError> {
        // A row that is there already is written as it is, so that it is returned: claiming takes one round trip.
        let claim = Statement::new(
            "claim idempotency key",
            "INSERT INTO idempotency_keys (scope, key, fingerprint, created_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET key = key RETURNING fingerprint, status, headers, body",
        )
        .bind(key.scope.as_str())
        .bind(key.key.as_str())
        .bind(&key.fingerprint[..])
        .bind_time(self.clock.now());
        let row = self.unit.fetch_optional(claim, stored).await?;
        let (fingerprint, response) =
            row.ok_or_else(|| corrupt("claim idempotency key", "the upsert returned no row"))?;
        Ok(match response {
            _ if fingerprint != key.fingerprint => Claim::Mismatch,
            Some(response) => Claim::Answered(response),
            // Claimed by this unit of work just now or before, or by one that committed without an answer.
            None => Claim::New,
        })
    }

    async fn answer(&mut self, key: &IdempotencyKey, response: &StoredResponse) -> Result<(), StorageError> {
        let operation = "store answer";
        let headers = serde_json::to_string(&response.headers)
            .map_err(|error| StorageError::new(StorageErrorKind::Other, operation, error))?;
        let update = Statement::new(
            operation,
            "UPDATE idempotency_keys SET status = ?, headers = ?, body = ? WHERE scope = ? AND key = ?",
        )
        .bind(response.status)
        .bind(headers)
        .bind(&response.body[..])
        .bind(key.scope.as_str())
        .bind(key.key.as_str());
        match self.unit.execute(update).await? {
            1 => Ok(()),
            _ => Err(StorageError::new(StorageErrorKind::Other, operation, "the key was not claimed")),
        }
    }
}
