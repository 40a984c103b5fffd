//! What the handlers keep, as a function of activities: which sums an activity counts in, and all projections computed anew
//! from a list of activities.

use std::collections::BTreeMap;

use activelog_domain::{
    achievement::{Earned, Effort, Milestones},
    activity::{Activity, ActivityType, Distance},
    leaderboard::{Board, Standing},
    statistics::{Figures, Period, PeriodStatistics},
    user::UserId,
};
use jiff::civil::Date;

/// The periods that a day in UTC counts in, by kind and first day.
pub fn periods_of(day: Date) -> [(Period, Date); 2] {
    Period::ALL.map(|period| (period, period.start(day)))
}

/// The boards that an activity of this day in UTC and type counts on: of the week and the month, all types' and its own.
pub fn boards_of(day: Date, activity_type: &ActivityType) -> [Board; 4] {
    let [(week, monday), (month, first)] = periods_of(day);
    let board = |period, start, activity_type| Board { period, start, activity_type };
    [
        board(week, monday, None),
        board(week, monday, Some(activity_type.clone())),
        board(month, first, None),
        board(month, first, Some(activity_type.clone())),
    ]
}

/// Everything that follows from a list of activities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projections {
    /// Per user: all figures summed up. (Stored with the activity itself, not by a handler.)
    pub totals: BTreeMap<UserId, Figures>,
    /// Per user: weekly and monthly figures, latest first, weeks before months.
    pub periods: BTreeMap<UserId, Vec<PeriodStatistics>>,
    /// Per user: achievements, in the order of their codes.
    pub achievements: BTreeMap<UserId, Vec<Earned>>,
    /// Per board: standings, best first.
    pub leaderboards: BTreeMap<Board, Vec<Standing>>,
}

/// Computes all projections from activities in any order. Takes little more time and memory than sorting them.
pub fn recompute(activities: &[Activity]) -> Projections {
    let mut users: BTreeMap<UserId, Vec<&Activity>> = BTreeMap::new();
    for activity in activities {
        users.entry(activity.user_id).or_default().push(activity);
    }
    let mut projections = Projections { leaderboards: leaderboards(activities), ..Projections::default() };
    for (user, own) in users {
        projections.totals.insert(user, own.iter().fold(Figures::default(), |sum, a| sum + Figures::of(a)));
        projections.periods.insert(user, periods(&own));
        let efforts: Vec<Effort> = own.iter().map(|a| effort(a)).collect();
        projections.achievements.insert(user, Milestones::of(&efforts).earned());
    }
    projections
}

fn effort(activity: &Activity) -> Effort {
    Effort {
        activity_id: activity.id,
        activity_type: activity.activity_type.clone(),
        date: activity.activity_date.instant(),
        distance_metres: activity.distance.map(Distance::metres),
    }
}

fn periods(activities: &[&Activity]) -> Vec<PeriodStatistics> {
    let mut sums: BTreeMap<(Period, Date), Figures> = BTreeMap::new();
    for activity in activities {
        for key in periods_of(activity.activity_date.day()) {
            let sum = sums.entry(key).or_default();
            *sum = *sum + Figures::of(activity);
        }
    }
    let mut periods: Vec<PeriodStatistics> =
        sums.into_iter().map(|((period, start), figures)| PeriodStatistics { period, start, figures }).collect();
    periods.sort_by(|a, b| b.start.cmp(&a.start).then(a.period.cmp(&b.period)));
    periods
}

fn leaderboards(activities: &[Activity]) -> BTreeMap<Board, Vec<Standing>> {
    let mut sums: BTreeMap<Board, BTreeMap<UserId, Figures>> = BTreeMap::new();
    for activity in activities {
        for board in boards_of(activity.activity_date.day(), &activity.activity_type) {
            let sum = sums.entry(board).or_default().entry(activity.user_id).or_default();
            *sum = *sum + Figures::of(activity);
        }
    }
    sums.into_iter().map(|(board, users)| (board, standings(users))).collect()
}

/// Puts users in a board's order: by distance, then minutes, then number of activities, then user id.
pub(crate) fn standings(users: impl IntoIterator<Item = (UserId, Figures)>) -> Vec<Standing> {
    let mut users: Vec<(UserId, Figures)> = users.into_iter().collect();
    users.sort_by_key(|(user, f)| {
        std::cmp::Reverse((f.distance_metres, f.duration_minutes, f.activities, std::cmp::Reverse(*user)))
    });
    (1..).zip(users).map(|(rank, (user_id, figures))| Standing { rank, user_id, figures }).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn an_activity_counts_on_four_boards() {
        let run = ActivityType::new("run").expect("a valid type");
        let names: Vec<String> = boards_of(date(2026, 1, 1), &run)
            .iter()
            .map(|b| {
                let kind = b.activity_type.as_ref().map_or("all", ActivityType::as_str);
                format!("{} {} {kind}", b.period.as_str(), b.start)
            })
            .collect();
        assert_eq!(
            names,
            ["week 2025-12-29 all", "week 2025-12-29 run", "month 2026-01-01 all", "month 2026-01-01 run"]
        );
    }
}
