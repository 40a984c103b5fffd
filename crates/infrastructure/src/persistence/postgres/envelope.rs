use activelog_application::ports::{StorageError, partition_of};
use activelog_domain::event::{EventEnvelope, TraceContext};
use jiff_sqlx::ToSqlx;

use super::{
    rows::{Columns, integer, signed},
    session::PgQuery,
};

/// The columns of an envelope, in the order of [`envelope`] and [`bind`].
macro_rules! envelope_columns {
    () => {
        "event_id, name, version, source, subject, sequence, partition_key, time, content_type, correlation_id, \
         causation_id, traceparent, tracestate, data"
    };
}
pub(super) use envelope_columns;

/// The rows of [`bind`]: partition, envelope columns and `ordinal`.
macro_rules! envelope_rows {
    () => {
        "unnest($1::smallint[], $2::uuid[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::bigint[], $8::text[], \
         $9::timestamptz[], $10::text[], $11::uuid[], $12::uuid[], $13::text[], $14::text[], $15::bytea[]) WITH ORDINALITY \
         AS e (partition, event_id, name, version, source, subject, sequence, partition_key, time, content_type, \
         correlation_id, causation_id, traceparent, tracestate, data, ordinal)"
    };
}
pub(super) use envelope_rows;

/// A partition as it is stored. There are few.
pub(super) fn stored_partition(partition: u16) -> i16 {
    i16::try_from(partition).unwrap_or(i16::MAX)
}

/// Binds `$1` to `$15`: the events by column, each with its partition.
pub(super) fn bind(query: PgQuery, events: &[&EventEnvelope]) -> PgQuery {
    fn column<'e, T>(events: &[&'e EventEnvelope], of: impl Fn(&'e EventEnvelope) -> T) -> Vec<T> {
        events.iter().map(|event| of(event)).collect()
    }
    query
        .bind(column(events, |e| stored_partition(partition_of(&e.partition_key).0)))
        .bind(column(events, |e| e.id))
        .bind(column(events, |e| e.name.as_str()))
        .bind(column(events, |e| integer(e.version)))
        .bind(column(events, |e| e.source.as_str()))
        .bind(column(events, |e| e.subject.as_str()))
        .bind(column(events, |e| signed(e.sequence)))
        .bind(column(events, |e| e.partition_key.as_str()))
        .bind(column(events, |e| e.time.to_sqlx()))
        .bind(column(events, |e| e.content_type.as_str()))
        .bind(column(events, |e| e.correlation_id))
        .bind(column(events, |e| e.causation_id))
        .bind(column(events, |e| e.trace.as_ref().map(TraceContext::traceparent)))
        .bind(column(events, |e| e.trace.as_ref().and_then(TraceContext::tracestate)))
        .bind(column(events, |e| e.data.as_ref()))
}

/// Binds `$1` to `$15`: the one event's partition and columns.
pub(super) fn bind_one(query: PgQuery, event: &EventEnvelope) -> PgQuery {
    bind_envelope(query.bind(stored_partition(partition_of(&event.partition_key).0)), event)
}

/// Binds the next fourteen: the event's columns.
pub(super) fn bind_envelope(query: PgQuery, event: &EventEnvelope) -> PgQuery {
    query
        .bind(event.id)
        .bind(event.name.as_str())
        .bind(integer(event.version))
        .bind(event.source.as_str())
        .bind(event.subject.as_str())
        .bind(signed(event.sequence))
        .bind(event.partition_key.as_str())
        .bind(event.time.to_sqlx())
        .bind(event.content_type.as_str())
        .bind(event.correlation_id)
        .bind(event.causation_id)
        .bind(event.trace.as_ref().map(TraceContext::traceparent))
        .bind(event.trace.as_ref().and_then(TraceContext::tracestate))
        .bind(event.data.as_ref())
}

/// The envelope in the next columns, those of [`envelope_columns`].
pub(super) fn envelope(columns: &mut Columns<'_>) -> Result<EventEnvelope, StorageError> {
    let id = columns.take()?;
    let name = columns.take()?;
    let version: i32 = columns.take()?;
    let version = columns.checked(u32::try_from(version))?;
    let source = columns.take()?;
    let subject = columns.take()?;
    let sequence = columns.unsigned()?;
    let partition_key = columns.take()?;
    let time = columns.instant()?;
    let content_type = columns.take()?;
    let correlation_id = columns.take()?;
    let causation_id = columns.take()?;
    let traceparent: Option<&str> = columns.take()?;
    let tracestate: Option<&str> = columns.take()?;
    let data: Vec<u8> = columns.take()?;
    Ok(EventEnvelope {
        id,
        source,
        name,
        subject,
        time,
        content_type,
        version,
        partition_key,
        sequence,
        correlation_id,
        causation_id,
        trace: traceparent.and_then(|parent| TraceContext::parse(parent, tracestate)),
        data: data.into(),
    })
}
