use activelog_domain::statistics::{Figures, PeriodStatistics};
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::{PeriodKind, kilometres::km};

/// Sums over activities.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Figures)]
pub(in crate::http) struct FiguresView {
    /// How many.
    #[schema(example = 12)]
    activities: i64,
    /// Minutes.
    #[schema(example = 540)]
    duration_minutes: i64,
    /// Kilometres, exact to the metre.
    #[schema(example = 104.25)]
    distance_km: f64,
    /// Kilocalories.
    #[schema(example = 6300)]
    calories_burned: i64,
}

impl From<Figures> for FiguresView {
    fn from(figures: Figures) -> Self {
        Self {
            activities: figures.activities,
            duration_minutes: figures.duration_minutes,
            distance_km: km(figures.distance_metres),
            calories_burned: figures.calories_burned,
        }
    }
}

/// The sums of one week or month.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PeriodFigures)]
pub(in crate::http) struct PeriodView {
    /// Which of the two.
    period: PeriodKind,
    /// Its first day.
    start: Date,
    #[serde(flatten)]
    figures: FiguresView,
}

impl From<&PeriodStatistics> for PeriodView {
    fn from(statistics: &PeriodStatistics) -> Self {
        Self { period: statistics.period.into(), start: statistics.start, figures: statistics.figures.into() }
    }
}

/// A user's figures.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Statistics)]
pub(in crate::http) struct StatisticsView {
    /// Over everything; counted in the transaction that changes an activity.
    pub(in crate::http) totals: FiguresView,
    /// Per week and month, latest first; counted by event handlers, a moment later.
    pub(in crate::http) periods: Vec<PeriodView>,
}
