use activelog_application::ports::{Clock, IdGenerator, partition_of};
use activelog_infrastructure::{clock::SystemClock, id_generator::UuidV7Generator};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The body of `POST /activities`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewActivity {
    pub(super) user_id: Uuid,
    #[serde(rename = "type")]
    pub(super) activity_type: String,
    pub(super) title: String,
    pub(super) description: Option<String>,
    pub(super) duration_minutes: i32,
    pub(super) distance_km: Option<f64>,
    pub(super) calories_burned: Option<i32>,
    pub(super) notes: Option<String>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    pub(super) activity_date: Timestamp,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Stored<'a> {
    id: Uuid,
    user_id: Uuid,
    #[serde(rename = "type")]
    activity_type: &'a str,
    title: &'a str,
    description: Option<&'a str>,
    duration_minutes: i32,
    distance_km: Option<f64>,
    calories_burned: Option<i32>,
    notes: Option<&'a str>,
    tags: &'a [String],
    activity_date: Timestamp,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// What the event says.
#[derive(Debug, Serialize)]
struct Snapshot<'a> {
    activity_id: Uuid,
    user_id: Uuid,
    #[serde(rename = "type")]
    activity_type: &'a str,
    title: &'a str,
    duration_minutes: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_km: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calories_burned: Option<i32>,
    activity_date: Timestamp,
    version: i64,
}

#[derive(Debug, Serialize)]
struct ActivityCreated<'a> {
    activity: Snapshot<'a>,
    tags: &'a [String],
}

/// Everything the four statements of a creation bind.
#[derive(Debug)]
pub(super) struct Creation {
    pub(super) activity: Uuid,
    pub(super) new: NewActivity,
    pub(super) metres: Option<i32>,
    pub(super) notification: Uuid,
    pub(super) message: String,
    pub(super) event: Uuid,
    pub(super) correlation: Uuid,
    pub(super) subject: String,
    pub(super) partition: i16,
    pub(super) data: Vec<u8>,
    pub(super) now: Timestamp,
}

impl Creation {
    pub(super) fn new(new: NewActivity) -> anyhow::Result<Self> {
        let id = || UuidV7Generator.next_id();
        let activity = id();
        let event = ActivityCreated {
            activity: Snapshot {
                activity_id: activity,
                user_id: new.user_id,
                activity_type: &new.activity_type,
                title: &new.title,
                duration_minutes: new.duration_minutes,
                distance_km: new.distance_km,
                calories_burned: new.calories_burned,
                activity_date: new.activity_date,
                version: 1,
            },
            tags: &new.tags,
        };
        let data = serde_json::to_vec(&event)?;
        let subject = format!("activity-{activity}");
        #[expect(clippy::cast_possible_truncation, reason = "distances are far below")]
        let metres = new.distance_km.map(|km| (km * 1_000.0).round() as i32);
        Ok(Self {
            activity,
            metres,
            notification: id(),
            message: format!("Activity recorded: {}", new.title),
            event: id(),
            correlation: id(),
            partition: i16::try_from(partition_of(&subject).0)?,
            subject,
            data,
            now: SystemClock.now(),
            new,
        })
    }

    pub(super) fn stored(&self) -> Stored<'_> {
        let new = &self.new;
        Stored {
            id: self.activity,
            user_id: new.user_id,
            activity_type: &new.activity_type,
            title: &new.title,
            description: new.description.as_deref(),
            duration_minutes: new.duration_minutes,
            distance_km: new.distance_km,
            calories_burned: new.calories_burned,
            notes: new.notes.as_deref(),
            tags: &new.tags,
            activity_date: new.activity_date,
            version: 1,
            created_at: self.now,
            updated_at: self.now,
        }
    }
}
