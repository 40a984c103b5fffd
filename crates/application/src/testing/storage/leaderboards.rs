use activelog_domain::{
    leaderboard::{Board, Standing},
    statistics::{Figures, Period},
    user::UserId,
};
use jiff::civil::date;
use uuid::Uuid;

use super::{
    Storage,
    case::Checked,
    samples::{figures, kind},
};

cases!("leaderboards":
    standings_are_ordered_by_distance_minutes_number_and_user,
    pages_go_on_after_a_rank,
    boards_are_apart,
    changes_add_up_and_zeros_are_removed,
    they_are_cleared_some_at_a_time,
);

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn week() -> Board {
    Board { period: Period::Week, start: date(2026, 3, 9), activity_type: None }
}

async fn add(storage: &Storage, user: UserId, changes: &[(Board, Figures)]) -> Checked {
    let mut uow = storage.begin().await?;
    uow.leaderboards().add(user, changes).await?;
    uow.commit().await?;
    Ok(())
}

/// Users with ties in one figure after the other, best first.
const RANKED: [(u128, (i64, i64, i64, i64)); 8] = [
    (50, (1, 1, 9_000, 0)),
    (10, (1, 60, 8_000, 0)),
    (70, (9, 50, 8_000, 0)),
    (20, (8, 50, 8_000, 900)),
    (30, (8, 50, 8_000, 100)),
    (1 << 127, (8, 50, 8_000, 999)),
    (5, (2, 10, 0, 0)),
    (6, (1, 10, 0, 0)),
];

async fn fill(storage: &Storage) -> Checked<Vec<Standing>> {
    let mut standings = Vec::new();
    for (rank, (n, (number, minutes, metres, kilocalories))) in (1..).zip(RANKED) {
        let figures = figures(number, minutes, metres, kilocalories);
        standings.push(Standing { rank, user_id: user(n), figures });
    }
    for standing in standings.iter().rev() {
        add(storage, standing.user_id, &[(week(), standing.figures)]).await?;
    }
    Ok(standings)
}

async fn standings_are_ordered_by_distance_minutes_number_and_user(storage: Storage) -> Checked {
    let expected = fill(&storage).await?;
    ensure_eq!(storage.queries.leaderboard(&week(), 0, 100).await?, expected, "the board");
    Ok(())
}

async fn pages_go_on_after_a_rank(storage: Storage) -> Checked {
    let expected = fill(&storage).await?;
    for limit in [1, 3, 8] {
        let mut found: Vec<Standing> = Vec::new();
        loop {
            let after = found.last().map_or(0, |s| s.rank);
            let page = storage.queries.leaderboard(&week(), after, limit).await?;
            ensure!(page.len() <= limit as usize, "a page of {limit} holds {}", page.len());
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        ensure_eq!(found, expected, "the board in pages of {limit}");
    }
    Ok(())
}

async fn boards_are_apart(storage: Storage) -> Checked {
    let boards = [
        week(),
        Board { activity_type: Some(kind("run")?), ..week() },
        Board { activity_type: Some(kind("ride")?), ..week() },
        Board { start: date(2026, 3, 16), ..week() },
        Board { period: Period::Month, ..week() },
    ];
    let changes: Vec<(Board, Figures)> =
        boards.iter().cloned().zip(1..).map(|(board, n)| (board, figures(n, n, n, n))).collect();
    add(&storage, user(1), &changes).await?;
    for (board, expected) in &changes {
        let found = storage.queries.leaderboard(board, 0, 10).await?;
        ensure_eq!(found, vec![Standing { rank: 1, user_id: user(1), figures: *expected }], "{board:?}");
    }
    let nobody = Board { activity_type: Some(kind("swim")?), ..week() };
    ensure_eq!(storage.queries.leaderboard(&nobody, 0, 10).await?, vec![], "a board of nobody");
    Ok(())
}

async fn changes_add_up_and_zeros_are_removed(storage: Storage) -> Checked {
    let one = figures(1, 30, 5_000, 300);
    let run = Board { activity_type: Some(kind("run")?), ..week() };
    add(&storage, user(1), &[(week(), one), (run.clone(), one)]).await?;
    add(&storage, user(1), &[(week(), -one), (week(), one), (week(), one)]).await?;
    let found = storage.queries.leaderboard(&week(), 0, 10).await?;
    ensure_eq!(found, vec![Standing { rank: 1, user_id: user(1), figures: one + one }], "the sum, each change counted");
    add(&storage, user(1), &[(week(), -one - one), (run.clone(), -one)]).await?;
    for board in [week(), run] {
        ensure_eq!(storage.queries.leaderboard(&board, 0, 10).await?, vec![], "{board:?} after taking back all");
    }
    Ok(())
}

async fn they_are_cleared_some_at_a_time(storage: Storage) -> Checked {
    let one = figures(1, 30, 5_000, 300);
    let run = Board { activity_type: Some(kind("run")?), ..week() };
    for n in 1..=2 {
        add(&storage, user(n), &[(week(), one), (run.clone(), one)]).await?;
    }
    for expected in [3, 1, 0] {
        let mut uow = storage.begin().await?;
        ensure_eq!(uow.leaderboards().clear(3).await?, expected, "entries that were removed");
        uow.commit().await?;
    }
    for board in [week(), run] {
        ensure_eq!(storage.queries.leaderboard(&board, 0, 10).await?, vec![], "{board:?} afterwards");
    }
    Ok(())
}
