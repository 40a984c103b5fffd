use activelog_application::activity::ports::Queries;
use activelog_domain::{
    achievement::{Effort, Milestones},
    activity::ActivityType,
    leaderboard::Board,
    statistics::{Figures, Period},
    user::UserId,
};
use jiff::{Timestamp, ToSpan, civil::date};
use uuid::Uuid;

use crate::fixture::{begin, database, id};

/// What SQL finds by hopping through indexes is what the domain finds by looking at everything.
#[tokio::test]
async fn milestones_equal_those_over_all_efforts() {
    let Some((database, _)) = database().await else { return };
    for seed in 0..12_u64 {
        let user = UserId(id());
        let efforts: Vec<Effort> = (0..(seed * 13)).map(|n| effort(seed, n)).collect();
        let mut unit = begin(&database).await;
        unit.achievements().lock(user).await.unwrap();
        for effort in &efforts {
            unit.achievements().put_effort(user, effort).await.unwrap();
        }
        let found = unit.achievements().milestones(user).await.unwrap();
        let all = Milestones::of(&efforts);
        assert_eq!(found.earned(), all.earned(), "seed {seed}");
        assert_eq!(found.longest, all.longest, "seed {seed}");
        assert!(all.days.starts_with(&found.days), "seed {seed}: days are cut off after the first streak, not changed");
        unit.rollback().await;
    }
}

/// An effort that depends on nothing but its numbers: several a day, gaps, equal distances.
fn effort(seed: u64, n: u64) -> Effort {
    let random = (seed * 1_000 + n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let minutes = i64::try_from((random >> 20) % (60 * 24 * (10 + seed * 4))).unwrap_or(0);
    Effort {
        activity_id: Uuid::from_u128(u128::from(random) << 64 | u128::from(n)),
        activity_type: ActivityType::new(["run", "ride", "swim_2"][usize::try_from(random % 3).unwrap_or(0)]).unwrap(),
        date: Timestamp::UNIX_EPOCH + minutes.minutes(),
        distance_metres: [None, Some(0), Some(1_000), Some(u32::try_from((random >> 40) % 50_000).unwrap_or(0))]
            [usize::try_from((random >> 8) % 4).unwrap_or(0)],
    }
}

/// Figures add up through negative values, and what is zero in the end is gone.
#[tokio::test]
async fn figures_that_cancel_out_leave_no_row() {
    let Some((database, _)) = database().await else { return };
    let user = UserId(id());
    let one = Figures { activities: 1, duration_minutes: 30, distance_metres: 5_000, calories_burned: 0 };
    let day = date(2026, 11, 16);
    let board = Board { period: Period::Week, start: day, activity_type: None };
    let typed = Board { activity_type: Some(ActivityType::new("run").unwrap()), ..board.clone() };
    for (step, change) in [-one, one, one].into_iter().enumerate() {
        let mut unit = begin(&database).await;
        // The same key twice in one call counts twice.
        let halves = [(Period::Week, day, change), (Period::Month, day, change), (Period::Week, day, change)];
        unit.period_statistics().add(user, &halves).await.unwrap();
        unit.leaderboards().add(user, &[(typed.clone(), change), (board.clone(), change)]).await.unwrap();
        unit.commit().await.unwrap();
        let periods = database.periods(user, None, 10).await.unwrap();
        let standings = database.leaderboard(&typed, 0, 10).await.unwrap();
        match step {
            0 => assert_eq!((periods[1].figures, standings[0].figures), (-one - one, -one)),
            1 => assert!(periods.is_empty() && standings.is_empty()),
            _ => assert_eq!((periods[0].period, standings[0].rank), (Period::Month, 1)),
        }
    }
    assert_eq!(database.periods(user, Some(Period::Week), 10).await.unwrap()[0].figures, one + one);
}
