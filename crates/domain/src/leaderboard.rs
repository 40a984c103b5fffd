//! Who did most in a week or a month, over all activity types or one.

use jiff::civil::Date;

use crate::{
    activity::ActivityType,
    statistics::{Figures, Period},
    user::UserId,
};

/// Which board: a period, and one activity type or all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Board {
    /// Week or month.
    pub period: Period,
    /// The period's first day.
    pub start: Date,
    /// One type, or all when `None`.
    pub activity_type: Option<ActivityType>,
}

/// One user's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// From 1. Equal figures are ordered by user id, so that every reader sees the same board.
    pub rank: u64,
    /// Who.
    pub user_id: UserId,
    /// What they did in the period. Boards are ordered by distance, then minutes, then number.
    pub figures: Figures,
}
