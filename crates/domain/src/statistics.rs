//! Figures over activities. They add up: what one activity contributes is a [`Figures`], and deleting it subtracts the
//! same, so that the order of activities never matters. That is why distances are whole metres.

use std::ops::{Add, Neg, Sub};

use jiff::{ToSpan, civil::Date};

use crate::activity::Activity;

/// Sums over activities. A difference of two may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// How many.
    pub activities: i64,
    /// Minutes.
    pub duration_minutes: i64,
    /// Metres.
    pub distance_metres: i64,
    /// Kilocalories.
    pub calories_burned: i64,
}

impl Figures {
    /// What one activity contributes.
    pub fn of(activity: &Activity) -> Self {
        Self {
            activities: 1,
            duration_minutes: activity.duration.minutes().into(),
            distance_metres: activity.distance.map_or(0, |d| d.metres().into()),
            calories_burned: activity.calories.map_or(0, |c| c.kilocalories().into()),
        }
    }

    /// Whether nothing would change by adding it.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl Add for Figures {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            activities: self.activities + other.activities,
            duration_minutes: self.duration_minutes + other.duration_minutes,
            distance_metres: self.distance_metres + other.distance_metres,
            calories_burned: self.calories_burned + other.calories_burned,
        }
    }
}

impl Neg for Figures {
    type Output = Self;
    fn neg(self) -> Self {
        Self::default() - self
    }
}

impl Sub for Figures {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            activities: self.activities - other.activities,
            duration_minutes: self.duration_minutes - other.duration_minutes,
            distance_metres: self.distance_metres - other.distance_metres,
            calories_burned: self.calories_burned - other.calories_burned,
        }
    }
}

/// A length of calendar time that figures are kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// ISO weeks, from Monday.
    Week,
    /// Calendar months.
    Month,
}

impl Period {
    /// Both, week first.
    pub const ALL: [Self; 2] = [Self::Week, Self::Month];

    /// `week` or `month`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The period called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == name)
    }

    /// The first day of the period that `day` (in UTC) falls into.
    pub fn start(self, day: Date) -> Date {
        match self {
            // Days since Monday are 0..=6, and activity dates are far from the calendar's edge: never saturates.
            Self::Week => day.saturating_sub(i64::from(day.weekday().to_monday_zero_offset()).days()),
            Self::Month => day.first_of_month(),
        }
    }
}

/// A user's figures for one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodStatistics {
    /// Week or month.
    pub period: Period,
    /// Its first day.
    pub start: Date,
    /// The sums.
    pub figures: Figures,
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn weeks_start_on_monday_also_across_years() {
        assert_eq!(Period::Week.start(date(2026, 1, 1)), date(2025, 12, 29));
        assert_eq!(Period::Week.start(date(2026, 11, 16)), date(2026, 11, 16));
        assert_eq!(Period::Week.start(date(2026, 11, 22)), date(2026, 11, 16));
        assert_eq!(Period::Month.start(date(2024, 2, 29)), date(2024, 2, 1));
    }
}
