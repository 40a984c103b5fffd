use std::sync::Arc;

use activelog_application::ports::{Addressed, DeadLetter, Death, Failures, ParkedEvent};
use jiff::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};

use super::rows::{envelope, invalid, optional_time, time};
use crate::persistence::failures::{StoredDeath, reason_named, state_named};

/// The columns [`parked_event`] reads.
macro_rules! parked_columns {
    () => {
        concat!(
            "place, handler, group_name, parked_at, attempts, first_failed_at, last_failed_at, error, ",
            envelope_columns!()
        )
    };
}
pub(super) use parked_columns;

/// The columns [`dead_letter`] reads.
macro_rules! dead_letter_columns {
    () => {
        concat!(
            "id, handler, group_name, state, holds, died_at, changed_at, reason, attempts, first_failed_at, \
             last_failed_at, error, earlier, ",
            envelope_columns!()
        )
    };
}
pub(super) use dead_letter_columns;

/// Reads a parked event.
pub(super) fn parked_event(row: &SqliteRow) -> Result<ParkedEvent, sqlx::Error> {
    let failures = match (optional_time(row, "first_failed_at")?, optional_time(row, "last_failed_at")?) {
        (Some(first_at), Some(last_at)) => {
            Some(Failures { attempts: attempts(row)?, first_at, last_at, error: row.try_get("error")? })
        }
        _ => None,
    };
    Ok(ParkedEvent {
        place: row.try_get("place")?,
        addressed: addressed(row)?,
        parked_at: time(row, "parked_at")?,
        failures,
    })
}

/// Reads a dead letter.
pub(super) fn dead_letter(row: &SqliteRow) -> Result<DeadLetter, sqlx::Error> {
    let earlier: Vec<StoredDeath<i64>> = serde_json::from_str(row.try_get("earlier")?).map_err(invalid)?;
    let instant = |at| Timestamp::from_microsecond(at).map_err(|error| error.to_string());
    let earlier = earlier.into_iter().map(|death| death.read(instant)).collect::<Result<_, _>>().map_err(invalid)?;
    let failures = Failures {
        attempts: attempts(row)?,
        first_at: time(row, "first_failed_at")?,
        last_at: time(row, "last_failed_at")?,
        error: row.try_get("error")?,
    };
    Ok(DeadLetter {
        id: row.try_get("id")?,
        addressed: addressed(row)?,
        state: state_named(row.try_get("state")?).map_err(invalid)?,
        died_at: time(row, "died_at")?,
        changed_at: time(row, "changed_at")?,
        holds: row.try_get("holds")?,
        death: Death { reason: reason_named(row.try_get("reason")?).map_err(invalid)?, failures },
        earlier,
    })
}

fn addressed(row: &SqliteRow) -> Result<Addressed, sqlx::Error> {
    let event = Arc::new(envelope(row)?);
    Ok(Addressed { handler: row.try_get("handler")?, group: row.try_get("group_name")?, event })
}

fn attempts(row: &SqliteRow) -> Result<u32, sqlx::Error> {
    u32::try_from(row.try_get::<i64, _>("attempts")?).map_err(invalid)
}
