use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Activity, ActivityDate, ActivityType, Calories, Distance, Duration};
use crate::{
    achievement::Effort,
    event::{AggregateRef, DomainEvent, EventData, UpcastError, Upcaster},
    statistics::Figures,
    user::UserId,
};

/// What events say of an activity. Descriptions and notes stay out: no consumer needs them, and notes are private.
///
/// Three events share this shape, so a field added here is a new version of all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivitySnapshot {
    /// The activity.
    pub activity_id: Uuid,
    /// Whose it is.
    pub user_id: UserId,
    /// What kind.
    #[serde(rename = "type")]
    pub activity_type: String,
    /// Its title.
    pub title: String,
    /// Minutes.
    pub duration_minutes: u32,
    /// Kilometres, exact to the metre.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance_km: Option<f64>,
    /// Kilocalories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calories_burned: Option<u32>,
    /// When it took place.
    pub activity_date: Timestamp,
    /// The activity's version.
    pub version: u64,
}

impl From<&Activity> for ActivitySnapshot {
    fn from(activity: &Activity) -> Self {
        Self {
            activity_id: activity.id,
            user_id: activity.user_id,
            activity_type: activity.activity_type.as_str().to_owned(),
            title: activity.title.as_str().to_owned(),
            duration_minutes: activity.duration.minutes(),
            distance_km: activity.distance.map(Distance::km),
            calories_burned: activity.calories.map(Calories::kilocalories),
            activity_date: activity.activity_date.instant(),
            version: activity.version,
        }
    }
}

impl ActivitySnapshot {
    /// The type as a checked value. Fails only on data that this application did not publish.
    pub fn activity_type(&self) -> Result<ActivityType, crate::validation::FieldError> {
        ActivityType::new(&self.activity_type)
    }

    /// The day in UTC it took place on.
    pub fn day(&self) -> jiff::civil::Date {
        ActivityDate::stored(self.activity_date).day()
    }

    /// Metres, if it has a distance.
    pub fn distance_metres(&self) -> Result<Option<u32>, crate::validation::FieldError> {
        self.distance_km.map(|km| Distance::from_km(km).map(Distance::metres)).transpose()
    }

    /// What it contributes to sums.
    pub fn figures(&self) -> Result<Figures, crate::validation::FieldError> {
        Ok(Figures {
            activities: 1,
            duration_minutes: Duration::new(self.duration_minutes.into())?.minutes().into(),
            distance_metres: self.distance_metres()?.unwrap_or(0).into(),
            calories_burned: self.calories_burned.unwrap_or(0).into(),
        })
    }

    /// What it contributes to achievements.
    pub fn effort(&self) -> Result<Effort, crate::validation::FieldError> {
        Ok(Effort {
            activity_id: self.activity_id,
            activity_type: self.activity_type()?,
            date: self.activity_date,
            distance_metres: self.distance_metres()?,
        })
    }

    fn aggregate(&self) -> AggregateRef {
        AggregateRef { subject: Activity::subject(self.activity_id), sequence: self.version }
    }
}

/// An activity has been created.
///
/// Version 2 added the tags. They stand beside the snapshot, not in it, because [`ActivityUpdated`] and [`ActivityDeleted`] share
/// the snapshot, and their version 1 is published: tags in it would make a version 2 of both that no consumer asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityCreated {
    /// The new activity.
    pub activity: ActivitySnapshot,
    /// Its tags, in their order; none in data of version 1.
    pub tags: Vec<String>,
}

impl From<&Activity> for ActivityCreated {
    fn from(activity: &Activity) -> Self {
        Self { activity: activity.into(), tags: activity.tags.labels().map(str::to_owned).collect() }
    }
}

/// There were no tags before version 2, so an activity of version 1 had none.
fn without_tags(mut data: EventData) -> Result<EventData, UpcastError> {
    data.insert("tags".to_owned(), Vec::<String>::new().into());
    Ok(data)
}

/// An activity has been changed. Of tags, as of descriptions and notes, it only tells that they differ: see [`ActivityCreated`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityUpdated {
    /// The activity before the change.
    pub previous: ActivitySnapshot,
    /// The activity after it.
    pub activity: ActivitySnapshot,
    /// The names of the fields that differ; also those the snapshots leave out.
    pub changed: Vec<String>,
}

/// An activity has been deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityDeleted {
    /// The activity as it last was, with the version the deletion counts as.
    pub activity: ActivitySnapshot,
    /// When.
    pub deleted_at: Timestamp,
}

impl DomainEvent for ActivityCreated {
    const NAME: &'static str = "activity.created";
    const VERSION: u32 = 2;
    const UPCASTERS: &'static [Upcaster] = &[Upcaster::new(1, without_tags)];

    fn aggregate(&self) -> AggregateRef {
        self.activity.aggregate()
    }
}

impl DomainEvent for ActivityUpdated {
    const NAME: &'static str = "activity.updated";
    const VERSION: u32 = 1;
    fn aggregate(&self) -> AggregateRef {
        self.activity.aggregate()
    }
}

impl DomainEvent for ActivityDeleted {
    const NAME: &'static str = "activity.deleted";
    const VERSION: u32 = 1;
    fn aggregate(&self) -> AggregateRef {
        self.activity.aggregate()
    }
}
