use activelog_domain::statistics::Period;
use serde::Serialize;
use utoipa::ToSchema;

/// A kind of period.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = Period)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum PeriodKind {
    /// ISO weeks, from Monday, in UTC.
    Week,
    /// Calendar months, in UTC.
    Month,
}

impl From<Period> for PeriodKind {
    fn from(period: Period) -> Self {
        match period {
            Period::Week => Self::Week,
            Period::Month => Self::Month,
        }
    }
}
