use activelog_application::ports::{AfterDeadLetter, DeathReason, Failures};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{rows::integer, session::PgQuery};
use crate::persistence::failures::{reason_name, stored_error};

/// Makes what is in `dying` (place, handler, group and envelope) a dead letter, with `$1` to `$7` from [`bind_death`]. One that was replayed
/// keeps its number, and the death before is put on record: the last 20 of them.
macro_rules! bury_dying {
    () => {
        concat!(
            "again AS (UPDATE dead_letters AS d SET place = dying.place, group_name = dying.group_name, state = 'dead', holds = $6, \
             died_at = $4, changed_at = $7, reason = $1, attempts = $2, first_failed_at = $3, last_failed_at = $4, error = $5, \
             earlier = CASE WHEN jsonb_array_length(d.earlier) >= 20 THEN d.earlier - 0 ELSE d.earlier END \
             || jsonb_build_array(jsonb_build_object('reason', d.reason, 'attempts', d.attempts, \
             'first_at', d.first_failed_at, 'last_at', d.last_failed_at, 'error', d.error)) \
             FROM dying WHERE d.handler = dying.handler AND d.event_id = dying.event_id RETURNING d.id), \
             first AS (INSERT INTO dead_letters (state, holds, died_at, changed_at, reason, attempts, first_failed_at, last_failed_at, \
             error, place, handler, group_name, ",
            envelope_columns!(),
            ") SELECT 'dead', $6, $4, $7, $1, $2, $3, $4, $5, place, handler, group_name, ",
            envelope_columns!(),
            " FROM dying WHERE NOT EXISTS (SELECT FROM again))"
        )
    };
}
pub(super) use bury_dying;

/// Binds `$1` to `$7`: why and when the event died, and whether its lane waits.
pub(super) fn bind_death(
    query: PgQuery,
    reason: DeathReason,
    failures: &Failures,
    after: AfterDeadLetter,
    now: Timestamp,
) -> PgQuery {
    query
        .bind(reason_name(reason))
        .bind(integer(failures.attempts))
        .bind(failures.first_at.to_sqlx())
        .bind(failures.last_at.to_sqlx())
        .bind(stored_error(&failures.error).into_owned())
        .bind(after == AfterDeadLetter::Hold)
        .bind(now.to_sqlx())
}
