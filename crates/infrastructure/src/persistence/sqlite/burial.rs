use activelog_application::ports::{AfterDeadLetter, DeathReason, Failures, StorageError};
use jiff::Timestamp;

use super::{outbox::envelope_columns, statement::Statement, write_unit::WriteUnit};
use crate::persistence::failures::{reason_name, stored_error};

/// Makes the parked event of handler `$1` and key `$2` at place `$3` a dead letter: `$4` reason, `$5` attempts, `$6` first and `$7` last
/// failure, `$8` error, `$9` whether its lane waits, `$10` now. One that was replayed keeps its number, and the death before is put on
/// record: the last 20 of them.
const BURY_PARKED: &str = concat!(
    "UPDATE dead_letters SET place = $3, group_name = p.group_name, state = 'dead', holds = $9, died_at = $7, \
     changed_at = $10, reason = $4, attempts = $5, first_failed_at = $6, last_failed_at = $7, error = $8, \
     earlier = json_insert(CASE WHEN json_array_length(earlier) >= 20 THEN json_remove(earlier, '$[0]') ELSE earlier END, '$[#]', \
     json_object('reason', reason, 'attempts', attempts, 'first_at', first_failed_at, 'last_at', last_failed_at, 'error', error)) \
     FROM (SELECT handler, event_id, group_name FROM parked WHERE place = $3 AND handler = $1 AND partition_key = $2) AS p \
     WHERE dead_letters.handler = p.handler AND dead_letters.event_id = p.event_id; \
     INSERT INTO dead_letters (state, holds, died_at, changed_at, reason, attempts, first_failed_at, last_failed_at, error, \
     place, handler, group_name, ",
    envelope_columns!(),
    ") SELECT 'dead', $9, $7, $10, $4, $5, $6, $7, $8, place, handler, group_name, ",
    envelope_columns!(),
    " FROM parked WHERE place = $3 AND handler = $1 AND partition_key = $2 AND NOT EXISTS \
     (SELECT 1 FROM dead_letters d WHERE d.handler = parked.handler AND d.event_id = parked.event_id); \
     DELETE FROM parked WHERE place = $3 AND handler = $1 AND partition_key = $2"
);

/// A parked event, by its lane and place.
#[derive(Clone, Copy)]
pub(super) struct Parked<'a> {
    pub(super) handler: &'a str,
    pub(super) key: &'a str,
    pub(super) place: i64,
}

/// Makes a parked event a dead letter. `false` when it is not there.
pub(super) async fn bury_parked(
    unit: &mut WriteUnit,
    operation: &'static str,
    parked: Parked<'_>,
    reason: DeathReason,
    failures: &Failures,
    after: AfterDeadLetter,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let bury = Statement::new(operation, BURY_PARKED)
        .bind(parked.handler)
        .bind(parked.key)
        .bind(parked.place)
        .bind(reason_name(reason))
        .bind(failures.attempts)
        .bind_time(failures.first_at)
        .bind_time(failures.last_at)
        .bind(stored_error(&failures.error).into_owned())
        .bind(i32::from(after == AfterDeadLetter::Hold))
        .bind_time(now);
    Ok(unit.execute(bury).await? == 1)
}
