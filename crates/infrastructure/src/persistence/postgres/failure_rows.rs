use std::sync::Arc;

use activelog_application::ports::{Addressed, DeadLetter, Death, Failures, ParkedEvent, StorageError};
use jiff::Timestamp;
use sqlx::{postgres::PgRow, types::Json};

use super::{envelope::envelope, rows::Columns};
use crate::persistence::failures::{StoredDeath, reason_named, state_named};

/// The columns of [`parked_event`], in its order.
macro_rules! parked_columns {
    () => {
        concat!(
            "place, handler, group_name, parked_at, attempts, first_failed_at, last_failed_at, error, ",
            envelope_columns!()
        )
    };
}
pub(super) use parked_columns;

/// The columns of [`dead_letter`], in its order.
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

/// The parked event in a row of [`parked_columns`].
pub(super) fn parked_event(row: &PgRow, operation: &'static str) -> Result<ParkedEvent, StorageError> {
    let mut columns = Columns::of(row, operation);
    let place = columns.take()?;
    let (handler, group) = (columns.take()?, columns.take()?);
    let parked_at = columns.instant()?;
    let attempts = attempts(&mut columns)?;
    let (first_at, last_at) = (columns.instant_or_null()?, columns.instant_or_null()?);
    let error: Option<String> = columns.take()?;
    let failures = match (first_at, last_at, error) {
        (Some(first_at), Some(last_at), Some(error)) => Some(Failures { attempts, first_at, last_at, error }),
        _ => None,
    };
    let event = Arc::new(envelope(&mut columns)?);
    Ok(ParkedEvent { place, addressed: Addressed { handler, group, event }, parked_at, failures })
}

/// The dead letter in a row of [`dead_letter_columns`].
pub(super) fn dead_letter(row: &PgRow, operation: &'static str) -> Result<DeadLetter, StorageError> {
    let mut columns = Columns::of(row, operation);
    let id = columns.take()?;
    let (handler, group) = (columns.take()?, columns.take()?);
    let state = columns.take()?;
    let state = columns.checked(state_named(state))?;
    let holds = columns.take()?;
    let (died_at, changed_at) = (columns.instant()?, columns.instant()?);
    let reason = columns.take()?;
    let reason = columns.checked(reason_named(reason))?;
    let failures = Failures {
        attempts: attempts(&mut columns)?,
        first_at: columns.instant()?,
        last_at: columns.instant()?,
        error: columns.take()?,
    };
    let Json(earlier): Json<Vec<StoredDeath<Timestamp>>> = columns.take()?;
    let earlier = earlier.into_iter().map(|death| death.read(Ok)).collect();
    let earlier: Vec<Death> = columns.checked(earlier)?;
    let event = Arc::new(envelope(&mut columns)?);
    let addressed = Addressed { handler, group, event };
    Ok(DeadLetter { id, addressed, state, died_at, changed_at, holds, death: Death { reason, failures }, earlier })
}

fn attempts(columns: &mut Columns<'_>) -> Result<u32, StorageError> {
    let attempts: i32 = columns.take()?;
    columns.checked(u32::try_from(attempts))
}
