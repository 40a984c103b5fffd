use activelog_domain::statistics::{Figures, Period, PeriodStatistics};
use jiff::civil::{Date, date};

use super::{
    Storage,
    case::Checked,
    samples::{any_user, figures},
};

cases!("period statistics":
    changes_add_up,
    several_changes_of_one_period_all_count,
    entries_that_are_zero_are_removed,
    the_order_of_changes_does_not_matter,
    the_latest_come_first,
    they_are_cleared_some_at_a_time,
);

const WEEK: Date = date(2026, 3, 9);
const MONTH: Date = date(2026, 3, 1);

async fn add(storage: &Storage, user: activelog_domain::user::UserId, changes: &[(Period, Date, Figures)]) -> Checked {
    let mut uow = storage.begin().await?;
    uow.period_statistics().add(user, changes).await?;
    uow.commit().await?;
    Ok(())
}

fn entry(period: Period, start: Date, figures: Figures) -> PeriodStatistics {
    PeriodStatistics { period, start, figures }
}

async fn changes_add_up(storage: Storage) -> Checked {
    let (user, other) = (any_user(), any_user());
    let one = figures(1, 30, 5_000, 300);
    add(&storage, user, &[(Period::Week, WEEK, one), (Period::Month, MONTH, one)]).await?;
    add(&storage, user, &[(Period::Week, WEEK, one)]).await?;
    add(&storage, user, &[]).await?;
    let week = vec![entry(Period::Week, WEEK, one + one)];
    ensure_eq!(storage.queries.periods(user, Some(Period::Week), 10).await?, week, "weeks");
    let month = vec![entry(Period::Month, MONTH, one)];
    ensure_eq!(storage.queries.periods(user, Some(Period::Month), 10).await?, month, "months");
    ensure_eq!(storage.queries.periods(user, None, 10).await?.len(), 2, "both");
    ensure_eq!(storage.queries.periods(other, None, 10).await?, vec![], "another user");
    Ok(())
}

async fn several_changes_of_one_period_all_count(storage: Storage) -> Checked {
    let user = any_user();
    let (minus, plus) = (figures(-1, -30, -5_000, -300), figures(1, 45, 8_000, 350));
    add(&storage, user, &[(Period::Week, WEEK, plus)]).await?;
    add(&storage, user, &[(Period::Week, WEEK, minus), (Period::Week, WEEK, plus)]).await?;
    let found = storage.queries.periods(user, None, 10).await?;
    ensure_eq!(found, vec![entry(Period::Week, WEEK, plus + minus + plus)], "after two changes at once");
    Ok(())
}

async fn entries_that_are_zero_are_removed(storage: Storage) -> Checked {
    let user = any_user();
    let one = figures(1, 30, 5_000, 300);
    add(&storage, user, &[(Period::Week, WEEK, -one), (Period::Month, MONTH, one)]).await?;
    let found = storage.queries.periods(user, Some(Period::Week), 10).await?;
    ensure_eq!(found, vec![entry(Period::Week, WEEK, -one)], "figures may be negative for a while");
    add(&storage, user, &[(Period::Week, WEEK, one), (Period::Month, MONTH, figures(0, -30, -5_000, -300))]).await?;
    let left = vec![entry(Period::Month, MONTH, figures(1, 0, 0, 0))];
    ensure_eq!(storage.queries.periods(user, None, 10).await?, left, "what is zero in every figure is gone");
    add(&storage, user, &[(Period::Week, WEEK, Figures::default())]).await?;
    ensure_eq!(storage.queries.periods(user, None, 10).await?, left, "adding nothing to nothing");
    Ok(())
}

async fn the_order_of_changes_does_not_matter(storage: Storage) -> Checked {
    let starts = [WEEK, date(2026, 3, 16), date(1900, 1, 1)];
    let mut changes: Vec<(Period, Date, Figures)> = Vec::new();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20 {
        let start = starts[random.usize(..starts.len())];
        let change = figures(1, random.i64(1..100), random.i64(0..9_000), random.i64(0..500));
        changes.push((Period::Week, start, change));
        if random.bool() {
            changes.push((Period::Week, start, -change));
        }
    }
    let mut expected = None;
    for _ in 0..3 {
        random.shuffle(&mut changes);
        let user = any_user();
        for change in &changes {
            add(&storage, user, std::slice::from_ref(change)).await?;
        }
        let found = storage.queries.periods(user, None, 10).await?;
        ensure_eq!(found, *expected.get_or_insert_with(|| found.clone()), "the same changes in another order");
    }
    Ok(())
}

async fn the_latest_come_first(storage: Storage) -> Checked {
    let user = any_user();
    let one = figures(1, 1, 1, 1);
    let starts = [date(2026, 2, 1), date(2025, 12, 1), date(2026, 1, 1), date(1999, 1, 1)];
    add(&storage, user, &starts.map(|start| (Period::Month, start, one))).await?;
    let found = storage.queries.periods(user, Some(Period::Month), 3).await?;
    let expected = [date(2026, 2, 1), date(2026, 1, 1), date(2025, 12, 1)];
    ensure_eq!(found.iter().map(|p| p.start).collect::<Vec<_>>(), expected.to_vec(), "the latest three");
    Ok(())
}

async fn they_are_cleared_some_at_a_time(storage: Storage) -> Checked {
    let (user, other) = (any_user(), any_user());
    let one = figures(1, 30, 5_000, 300);
    for user in [user, other] {
        add(&storage, user, &[(Period::Week, WEEK, one), (Period::Month, MONTH, one)]).await?;
    }
    for expected in [3, 1, 0] {
        let mut uow = storage.begin().await?;
        ensure_eq!(uow.period_statistics().clear(3).await?, expected, "entries that were removed");
        uow.commit().await?;
    }
    for user in [user, other] {
        ensure_eq!(storage.queries.periods(user, None, 10).await?, vec![], "what is left");
    }
    add(&storage, user, &[(Period::Week, WEEK, one)]).await?;
    let again = vec![entry(Period::Week, WEEK, one)];
    ensure_eq!(storage.queries.periods(user, None, 10).await?, again, "figures begin anew");
    Ok(())
}
