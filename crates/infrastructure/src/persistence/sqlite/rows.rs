use std::error::Error;

use activelog_application::ports::{JournalEntry, OutboxEntry, Partition};
use activelog_domain::{
    achievement::{Achievement, Earned},
    activity::{Activity, ActivityDate, ActivityType, Calories, Description, Distance, Duration, Notes, Tags, Title},
    event::{EventEnvelope, TraceContext},
    notification::Notification,
    statistics::{Figures, Period, PeriodStatistics},
    user::UserId,
};
use jiff::{Timestamp, civil::Date};
use sqlx::{Row, sqlite::SqliteRow};

/// The columns [`activity`] reads.
pub(super) const ACTIVITY: &str = "id, user_id, activity_type, title, description, duration_minutes, distance_metres, \
     calories_burned, notes, tags, activity_date, version, created_at, updated_at";

/// The columns [`notification`] reads.
pub(super) const NOTIFICATION: &str = "id, user_id, kind, message, created_at, read_at";

/// A stored value is not what it should be.
pub(super) fn invalid(error: impl Into<Box<dyn Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_microsecond(row.try_get(column)?).map_err(invalid)
}

pub(super) fn optional_time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_microsecond).transpose().map_err(invalid)
}

pub(super) fn unsigned(row: &SqliteRow, column: &str) -> Result<u64, sqlx::Error> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(invalid)
}

fn optional_metres(row: &SqliteRow) -> Result<Option<u32>, sqlx::Error> {
    row.try_get::<Option<i64>, _>("distance_metres")?.map(u32::try_from).transpose().map_err(invalid)
}

pub(super) fn partition(row: &SqliteRow) -> Result<Partition, sqlx::Error> {
    u16::try_from(row.try_get::<i64, _>("partition")?).map(Partition).map_err(invalid)
}

fn tags(row: &SqliteRow) -> Result<Tags, sqlx::Error> {
    let labels: Vec<String> = serde_json::from_str(row.try_get("tags")?).map_err(invalid)?;
    Tags::new(&labels).map_err(invalid)
}

pub(super) fn activity(row: &SqliteRow) -> Result<Activity, sqlx::Error> {
    Ok(Activity {
        id: row.try_get("id")?,
        user_id: UserId(row.try_get("user_id")?),
        activity_type: ActivityType::new(row.try_get("activity_type")?).map_err(invalid)?,
        title: Title::new(row.try_get("title")?).map_err(invalid)?,
        description: row
            .try_get::<Option<&str>, _>("description")?
            .map(Description::new)
            .transpose()
            .map_err(invalid)?,
        duration: Duration::new(row.try_get("duration_minutes")?).map_err(invalid)?,
        distance: row
            .try_get::<Option<i64>, _>("distance_metres")?
            .map(Distance::from_metres)
            .transpose()
            .map_err(invalid)?,
        calories: row.try_get::<Option<i64>, _>("calories_burned")?.map(Calories::new).transpose().map_err(invalid)?,
        notes: row.try_get::<Option<&str>, _>("notes")?.map(Notes::new).transpose().map_err(invalid)?,
        tags: tags(row)?,
        activity_date: ActivityDate::stored(time(row, "activity_date")?),
        version: unsigned(row, "version")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) fn notification(row: &SqliteRow) -> Result<Notification, sqlx::Error> {
    Ok(Notification {
        id: row.try_get("id")?,
        user_id: UserId(row.try_get("user_id")?),
        kind: row.try_get("kind")?,
        message: row.try_get("message")?,
        created_at: time(row, "created_at")?,
        read_at: optional_time(row, "read_at")?,
    })
}

pub(super) fn figures(row: &SqliteRow) -> Result<Figures, sqlx::Error> {
    Ok(Figures {
        activities: row.try_get("activities")?,
        duration_minutes: row.try_get("duration_minutes")?,
        distance_metres: row.try_get("distance_metres")?,
        calories_burned: row.try_get("calories_burned")?,
    })
}

pub(super) fn period_statistics(row: &SqliteRow) -> Result<PeriodStatistics, sqlx::Error> {
    let period: &str = row.try_get("period")?;
    Ok(PeriodStatistics {
        period: Period::parse(period).ok_or_else(|| invalid(format!("unknown period {period:?}")))?,
        start: row.try_get::<&str, _>("start")?.parse::<Date>().map_err(invalid)?,
        figures: figures(row)?,
    })
}

pub(super) fn earned(row: &SqliteRow) -> Result<Earned, sqlx::Error> {
    let code: &str = row.try_get("code")?;
    Ok(Earned {
        achievement: Achievement::parse(code).ok_or_else(|| invalid(format!("unknown achievement {code:?}")))?,
        activity_id: row.try_get("activity_id")?,
        achieved_at: time(row, "achieved_at")?,
        distance_metres: optional_metres(row)?,
    })
}

/// Reads the columns an outbox row and a journal row have in common.
pub(super) fn envelope(row: &SqliteRow) -> Result<EventEnvelope, sqlx::Error> {
    let traceparent: Option<&str> = row.try_get("traceparent")?;
    Ok(EventEnvelope {
        id: row.try_get("event_id")?,
        source: row.try_get("source")?,
        name: row.try_get("name")?,
        subject: row.try_get("subject")?,
        time: time(row, "time")?,
        content_type: row.try_get("content_type")?,
        version: u32::try_from(row.try_get::<i64, _>("version")?).map_err(invalid)?,
        partition_key: row.try_get("partition_key")?,
        sequence: unsigned(row, "sequence")?,
        correlation_id: row.try_get("correlation_id")?,
        causation_id: row.try_get("causation_id")?,
        trace: match traceparent {
            Some(parent) => TraceContext::parse(parent, row.try_get("tracestate")?),
            None => None,
        },
        data: row.try_get::<Vec<u8>, _>("data")?.into(),
    })
}

pub(super) fn outbox_entry(row: &SqliteRow) -> Result<OutboxEntry, sqlx::Error> {
    Ok(OutboxEntry { id: row.try_get("id")?, event: envelope(row)? })
}

pub(super) fn journal_entry(row: &SqliteRow) -> Result<JournalEntry, sqlx::Error> {
    Ok(JournalEntry {
        partition: partition(row)?,
        position: unsigned(row, "position")?,
        published_at: time(row, "published_at")?,
        event: envelope(row)?,
    })
}
