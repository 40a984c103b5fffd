use activelog_domain::activity::{Activity, Calories, Distance};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A stored activity.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activity)]
pub(in crate::http) struct ActivityView<'a> {
    /// Its id.
    id: Uuid,
    /// Whose it is.
    user_id: Uuid,
    /// What kind: a lower-case word.
    #[serde(rename = "type")]
    #[schema(example = "trail_run")]
    kind: &'a str,
    /// Its title.
    #[schema(example = "Morning run")]
    title: &'a str,
    /// Its description.
    #[schema(required = true)]
    description: Option<&'a str>,
    /// Minutes.
    #[schema(example = 50)]
    duration_minutes: u32,
    /// Kilometres, exact to the metre.
    #[schema(required = true, example = 10.5)]
    distance_km: Option<f64>,
    /// Kilocalories.
    #[schema(required = true, example = 640)]
    calories_burned: Option<u32>,
    /// Private notes.
    #[schema(required = true)]
    notes: Option<&'a str>,
    /// Its tags, in the order they were given.
    #[schema(example = json!(["race", "with friends"]))]
    tags: Vec<&'a str>,
    /// When it took place.
    activity_date: Timestamp,
    /// From 1; every change adds one. The `ETag` is this in quotes.
    #[schema(example = 1)]
    version: u64,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl<'a> From<&'a Activity> for ActivityView<'a> {
    fn from(activity: &'a Activity) -> Self {
        Self {
            id: activity.id,
            user_id: activity.user_id.0,
            kind: activity.activity_type.as_str(),
            title: activity.title.as_str(),
            description: activity.description.as_ref().map(|d| d.as_str()),
            duration_minutes: activity.duration.minutes(),
            distance_km: activity.distance.map(Distance::km),
            calories_burned: activity.calories.map(Calories::kilocalories),
            notes: activity.notes.as_ref().map(|n| n.as_str()),
            tags: activity.tags.labels().collect(),
            activity_date: activity.activity_date.instant(),
            version: activity.version,
            created_at: activity.created_at,
            updated_at: activity.updated_at,
        }
    }
}
