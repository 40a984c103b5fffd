use activelog_domain::{statistics::Figures, user::UserId};

use super::{
    Storage,
    case::Checked,
    samples::{any_user, at, figures},
};
use crate::activity::ports::Repositories;

cases!("users": totals_add_up_and_make_the_user_known, totals_pass_through_zero, additions_at_once_lose_nothing);

/// Adds, and answers the totals as the transaction then sees them.
async fn add(uow: &mut dyn Repositories, user: UserId, change: Figures) -> Checked<Figures> {
    uow.users().add_to_totals(user, change, at(0)).await?;
    Ok(uow.users().totals(user).await?)
}

async fn totals_add_up_and_make_the_user_known(storage: Storage) -> Checked {
    let (user, other) = (any_user(), any_user());
    ensure_eq!(storage.queries.totals(user).await?, None, "a user nobody knows");
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.users().totals(user).await?, Figures::default(), "a user nobody knows, in a transaction");
    let first = figures(1, 43_200, 100_000_000, 100_000);
    ensure_eq!(add(&mut *uow, user, first).await?, first, "the first addition");
    let second = figures(1, 1, 0, 7);
    ensure_eq!(add(&mut *uow, user, second).await?, first + second, "in the same transaction");
    uow.commit().await?;
    let mut uow = storage.begin().await?;
    let many = figures(1 << 40, 1 << 41, 1 << 42, 1 << 43);
    ensure_eq!(add(&mut *uow, user, many).await?, first + second + many, "large sums");
    uow.commit().await?;
    ensure_eq!(storage.queries.totals(user).await?, Some(first + second + many), "by a query");
    ensure_eq!(storage.queries.totals(other).await?, None, "another user");
    Ok(())
}

async fn totals_pass_through_zero(storage: Storage) -> Checked {
    let user = any_user();
    let mut uow = storage.begin().await?;
    let minus = figures(-1, -30, -5_000, -300);
    ensure_eq!(add(&mut *uow, user, minus).await?, minus, "a negative change");
    let answered = add(&mut *uow, user, figures(1, 30, 5_000, 300)).await?;
    ensure_eq!(answered, Figures::default(), "back to zero");
    uow.commit().await?;
    ensure_eq!(storage.queries.totals(user).await?, Some(Figures::default()), "a known user with nothing");
    Ok(())
}

async fn additions_at_once_lose_nothing(storage: Storage) -> Checked {
    let user = any_user();
    let writers = (0..4).map(|_| {
        let storage = storage.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                let add = storage.transact(|uow| {
                    Box::pin(async move { uow.users().add_to_totals(user, figures(1, 2, 3, 4), at(0)).await })
                });
                add.await?;
            }
            Checked::Ok(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    ensure_eq!(storage.queries.totals(user).await?, Some(figures(40, 80, 120, 160)), "the sum of all");
    Ok(())
}
