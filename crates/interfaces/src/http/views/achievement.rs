use activelog_domain::achievement::Earned;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::kilometres::km;

/// An achievement a user has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Achievement)]
pub(in crate::http) struct AchievementView {
    /// Which: `first_activity`, `ten_activities`, `hundred_activities`, `seven_day_streak`, or `longest_distance:` and a type.
    #[schema(example = "longest_distance:run")]
    code: String,
    /// The activity that earned it.
    activity_id: Uuid,
    /// That activity's date.
    achieved_at: Timestamp,
    /// Kilometres, for a distance; null otherwise.
    #[schema(required = true, example = 42.195)]
    distance_km: Option<f64>,
}

impl From<&Earned> for AchievementView {
    fn from(earned: &Earned) -> Self {
        Self {
            code: earned.achievement.code(),
            activity_id: earned.activity_id,
            achieved_at: earned.achieved_at,
            distance_km: earned.distance_metres.map(|metres| km(metres.into())),
        }
    }
}
