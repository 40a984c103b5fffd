//! What a user has reached. Achievements are a function of the user's present activities: deleting one takes back what
//! only it had earned.

use jiff::{Timestamp, ToSpan, civil::Date};
use uuid::Uuid;

use crate::activity::ActivityType;

/// How long a streak has to be, in days.
pub const STREAK_DAYS: usize = 7;

/// A kind of achievement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Achievement {
    /// The first activity.
    FirstActivity,
    /// Ten activities.
    TenActivities,
    /// A hundred activities.
    HundredActivities,
    /// An activity on each of seven days in a row.
    SevenDayStreak,
    /// The longest distance of one type.
    LongestDistance(ActivityType),
}

impl Achievement {
    /// The stable code: `first_activity`, `longest_distance:run`.
    pub fn code(&self) -> String {
        match self {
            Self::FirstActivity => "first_activity".into(),
            Self::TenActivities => "ten_activities".into(),
            Self::HundredActivities => "hundred_activities".into(),
            Self::SevenDayStreak => "seven_day_streak".into(),
            Self::LongestDistance(kind) => format!("longest_distance:{kind}"),
        }
    }

    /// The achievement with this code.
    pub fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "first_activity" => Self::FirstActivity,
            "ten_activities" => Self::TenActivities,
            "hundred_activities" => Self::HundredActivities,
            "seven_day_streak" => Self::SevenDayStreak,
            _ => Self::LongestDistance(ActivityType::new(code.strip_prefix("longest_distance:")?).ok()?),
        })
    }
}

/// An achievement a user has, and the activity that earned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earned {
    /// Which.
    pub achievement: Achievement,
    /// The activity that earned it: the tenth, the one that completed the streak, the longest.
    pub activity_id: Uuid,
    /// That activity's date.
    pub achieved_at: Timestamp,
    /// Metres, for a distance.
    pub distance_metres: Option<u32>,
}

/// What achievements need to know of an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effort {
    /// The activity.
    pub activity_id: Uuid,
    /// Its type.
    pub activity_type: ActivityType,
    /// Its date.
    pub date: Timestamp,
    /// Its distance in metres.
    pub distance_metres: Option<u32>,
}

/// The dates and distances of a user's activities, boiled down to what achievements follow from. A store answers it from
/// indexes, so that the cost does not grow with the number of activities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Milestones {
    /// The first, tenth and hundredth activity by (date, id), as far as there are that many.
    pub first: Option<(Uuid, Timestamp)>,
    /// See `first`.
    pub tenth: Option<(Uuid, Timestamp)>,
    /// See `first`.
    pub hundredth: Option<(Uuid, Timestamp)>,
    /// Per UTC day with an activity, ascending: the first activity by (date, id) of that day. A store may leave out days that
    /// do not matter to the first streak.
    pub days: Vec<(Date, Uuid, Timestamp)>,
    /// Per type with any distance: the longest; among equals the first by (date, id).
    pub longest: Vec<Effort>,
}

impl Milestones {
    /// Boils down efforts in any order. Stores may do the same in SQL.
    pub fn of(efforts: &[Effort]) -> Self {
        let mut sorted: Vec<&Effort> = efforts.iter().collect();
        sorted.sort_by_key(|e| (e.date, e.activity_id));
        let nth = |n: usize| sorted.get(n - 1).map(|e| (e.activity_id, e.date));
        let mut days: Vec<(Date, Uuid, Timestamp)> = Vec::new();
        let mut longest: std::collections::BTreeMap<&ActivityType, &Effort> = Default::default();
        for effort in &sorted {
            let day = crate::activity::utc_day(effort.date);
            if days.last().is_none_or(|(last, ..)| *last != day) {
                days.push((day, effort.activity_id, effort.date));
            }
            if effort.distance_metres.is_some_and(|d| d > 0) {
                let best = longest.entry(&effort.activity_type).or_insert(effort);
                if effort.distance_metres > best.distance_metres {
                    *best = effort;
                }
            }
        }
        Self {
            first: nth(1),
            tenth: nth(10),
            hundredth: nth(100),
            days,
            longest: longest.into_values().cloned().collect(),
        }
    }

    /// The achievements that follow, in the order of their codes.
    pub fn earned(&self) -> Vec<Earned> {
        let counted = [
            (Achievement::FirstActivity, self.first),
            (Achievement::TenActivities, self.tenth),
            (Achievement::HundredActivities, self.hundredth),
            (Achievement::SevenDayStreak, self.first_streak()),
        ];
        let mut earned: Vec<Earned> = counted
            .into_iter()
            .filter_map(|(achievement, by)| {
                by.map(|(activity_id, achieved_at)| Earned {
                    achievement,
                    activity_id,
                    achieved_at,
                    distance_metres: None,
                })
            })
            .collect();
        earned.extend(self.longest.iter().map(|effort| Earned {
            achievement: Achievement::LongestDistance(effort.activity_type.clone()),
            activity_id: effort.activity_id,
            achieved_at: effort.date,
            distance_metres: effort.distance_metres,
        }));
        earned.sort_by_key(|e| e.achievement.code());
        earned
    }

    /// The activity that completed the first streak.
    fn first_streak(&self) -> Option<(Uuid, Timestamp)> {
        let mut length = 0;
        let mut previous: Option<Date> = None;
        for (day, activity, at) in &self.days {
            let follows = previous.is_some_and(|p| p.saturating_add(1.day()) == *day);
            length = if follows { length + 1 } else { 1 };
            if length == STREAK_DAYS {
                return Some((*activity, *at));
            }
            previous = Some(*day);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effort(n: u128, day: i64, metres: Option<u32>) -> Effort {
        Effort {
            activity_id: Uuid::from_u128(n),
            activity_type: ActivityType::new("run").expect("a valid type"),
            date: Timestamp::UNIX_EPOCH + (day * 24 + 12).hours(),
            distance_metres: metres,
        }
    }

    fn codes(efforts: &[Effort]) -> Vec<(String, u128)> {
        let earned = Milestones::of(efforts).earned();
        earned.into_iter().map(|e| (e.achievement.code(), e.activity_id.as_u128())).collect()
    }

    #[test]
    fn a_streak_needs_seven_days_without_a_gap() {
        let mut days: Vec<_> = (1..=6).map(|n| effort(n, i64::try_from(n).unwrap_or(0), None)).collect();
        days.push(effort(8, 8, None));
        assert_eq!(codes(&days), [("first_activity".to_owned(), 1)]);
        days.push(effort(7, 7, None));
        assert_eq!(codes(&days), [("first_activity".to_owned(), 1), ("seven_day_streak".to_owned(), 7)]);
    }

    #[test]
    fn the_longest_distance_is_the_earliest_among_equals() {
        let efforts = [effort(2, 2, Some(5)), effort(1, 1, Some(5)), effort(3, 3, Some(4)), effort(4, 0, None)];
        assert_eq!(codes(&efforts), [("first_activity".to_owned(), 4), ("longest_distance:run".to_owned(), 1)]);
    }

    #[test]
    fn codes_parse_back() {
        for achievement in [
            Achievement::FirstActivity,
            Achievement::SevenDayStreak,
            Achievement::LongestDistance(ActivityType::new("trail_run").expect("a valid type")),
        ] {
            assert_eq!(Achievement::parse(&achievement.code()), Some(achievement));
        }
        assert_eq!(Achievement::parse("longest_distance:"), None);
    }
}
