use activelog_domain::{
    activity::{
        Activity, ActivityDate, ActivityType, Calories, Description, Distance, Duration, Notes, Tag, Tags, Title,
    },
    event::{EventEnvelope, TraceContext},
    notification::Notification,
    statistics::Figures,
    user::UserId,
    validation::FieldError,
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::ports::{Partition, StorageError, StorageErrorKind, partition_of};

use super::case::Checked;

/// A random id, of no particular order.
pub(super) fn any_id() -> Uuid {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid()
}

pub(super) fn any_user() -> UserId {
    UserId(any_id())
}

/// An instant so many microseconds after 2026-03-12T18:00:00Z.
pub(super) fn at(micros: i64) -> Timestamp {
    const START: i64 = 1_773_338_400_000_000;
    Timestamp::from_microsecond(START + micros).unwrap_or(Timestamp::MAX)
}

pub(super) fn kind(name: &str) -> Checked<ActivityType> {
    Ok(ActivityType::new(name)?)
}

pub(super) fn figures(activities: i64, minutes: i64, metres: i64, kilocalories: i64) -> Figures {
    Figures { activities, duration_minutes: minutes, distance_metres: metres, calories_burned: kilocalories }
}

/// An activity with as little as possible.
pub(super) fn bare_activity(user_id: UserId) -> Checked<Activity> {
    Ok(bare(user_id)?)
}

fn bare(user_id: UserId) -> Result<Activity, FieldError> {
    Ok(Activity {
        id: any_id(),
        user_id,
        activity_type: ActivityType::new("run")?,
        title: Title::new("t")?,
        description: None,
        duration: Duration::new(1)?,
        distance: None,
        calories: None,
        notes: None,
        tags: Tags::default(),
        activity_date: ActivityDate::stored(at(0)),
        version: 1,
        created_at: at(0),
        updated_at: at(0),
    })
}

/// Activities that are hard to store: the longest and the shortest of everything, texts of every script, old and exact dates.
pub(super) fn hard_activities(user: UserId) -> Checked<Vec<Activity>> {
    let text = "Ünï 跑步 🚴‍♀️ \"quoted\" 'single' ; -- % _ \\ \u{202e}rtl ";
    let fill = |most: usize| text.chars().cycle().take(most - 1).chain(['x']).collect::<String>();
    let minimal = bare(user)?;
    let fullest = Activity {
        activity_type: ActivityType::new(&"x".repeat(ActivityType::MAX))?,
        title: Title::new(&fill(Title::MAX))?,
        description: Some(Description::new(&fill(Description::MAX))?),
        duration: Duration::new(Duration::MAX.into())?,
        distance: Some(Distance::from_metres(i64::from(Distance::MAX_KM) * 1_000)?),
        calories: Some(Calories::new(Calories::MAX.into())?),
        notes: Some(Notes::new(&fill(Notes::MAX))?),
        tags: Tags::new(&(0..Tags::MAX).map(|n| format!("{n:02}{}", fill(Tag::MAX - 2))).collect::<Vec<_>>())?,
        activity_date: ActivityDate::stored("1900-01-01T00:00:00.000001Z".parse()?),
        version: 4_000_000_000,
        created_at: "2026-03-12T18:00:00.123456Z".parse()?,
        updated_at: "2038-01-19T03:14:08.999999Z".parse()?,
        ..bare(user)?
    };
    let empty = Activity {
        description: Some(Description::new("")?),
        notes: Some(Notes::new("two\nlines\tand a tab")?),
        tags: Tags::new(&["null", "NULL", "{}", "[]", "\"", "\\", "$1", "z", "a"])?,
        distance: Some(Distance::from_metres(0)?),
        calories: Some(Calories::new(0)?),
        activity_date: ActivityDate::stored("1969-12-31T23:59:59.999999Z".parse()?),
        ..bare(user)?
    };
    Ok(vec![minimal, fullest, empty])
}

pub(super) fn notification(user_id: UserId, created_at: Timestamp) -> Notification {
    Notification {
        id: any_id(),
        user_id,
        kind: "activity.created".into(),
        message: "Ünï 🚴 'well' \"done\"".into(),
        created_at,
        read_at: None,
    }
}

/// An event of the aggregate `subject`, which is its partition key too.
pub(super) fn event(subject: &str, sequence: u64) -> EventEnvelope {
    EventEnvelope {
        id: any_id(),
        source: "/suite".into(),
        name: "thing.happened".into(),
        subject: subject.into(),
        time: at(0),
        content_type: "application/json".into(),
        version: 1,
        partition_key: subject.into(),
        sequence,
        correlation_id: any_id(),
        causation_id: None,
        trace: None,
        data: br#"{"n":1.50}"#.as_slice().into(),
    }
}

pub(super) fn history(subject: &str, sequences: std::ops::RangeInclusive<u64>) -> Vec<EventEnvelope> {
    sequences.map(|sequence| event(subject, sequence)).collect()
}

/// Events that are hard to store: every attribute, data of every kind.
pub(super) fn hard_events() -> Vec<EventEnvelope> {
    let trace = |state| TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", state);
    let full = EventEnvelope {
        source: "urn:Ünï:🚴'--".into(),
        name: "thing.happened-differently".into(),
        content_type: "application/octet-stream".into(),
        version: 7,
        partition_key: "another key 🚴".into(),
        time: at(123_457),
        causation_id: Some(any_id()),
        trace: trace(Some("vendor=a b,other=1")),
        data: (0..=255_u8).collect::<Vec<_>>().into(),
        ..event("Ünï 🚴 'subject'", (1 << 53) + 1)
    };
    let parent_only = EventEnvelope { trace: trace(None), ..event("parent-only", 1) };
    let empty = EventEnvelope { data: "".into(), time: Timestamp::UNIX_EPOCH, ..event("empty", 0) };
    let broken_json = EventEnvelope { data: "{broken \u{0}".into(), ..event("broken", 1) };
    let large = EventEnvelope { data: vec![0xA5; 1 << 20].into(), ..event("large", 1) };
    vec![full, parent_only, empty, broken_json, large]
}

/// A key of this partition; another one for every `n`.
pub(super) fn key_in(partition: Partition, n: usize) -> String {
    let keys = (0..).map(|i: u32| format!("key-{i}")).filter(|key| partition_of(key) == partition);
    keys.take(n + 1).last().unwrap_or_default()
}

/// Fails unless the operation failed in this way.
pub(super) fn expect_kind<T>(result: Result<T, StorageError>, kind: StorageErrorKind, what: &str) -> Checked {
    match result {
        Ok(_) => Err(format!("{what}: expected a {kind:?} error, but it succeeded").into()),
        Err(error) if error.kind == kind => Ok(()),
        Err(error) => Err(format!("{what}: expected a {kind:?} error, found {:?}: {error}", error.kind).into()),
    }
}
