use super::{
    Storage,
    case::Checked,
    fixture::SHORT,
    samples::{expect_kind, history},
};
use crate::ports::{JournalCursor, Lease, PARTITIONS, StorageErrorKind};

cases!("group positions":
    a_group_starts_where_it_first_joined,
    a_group_nobody_knows_stands_at_zero,
    positions_only_go_forward,
    one_lost_lease_refuses_the_whole,
    a_removed_group_is_new_again,
    a_group_with_living_members_is_not_removed,
);

fn cursor(position: u64) -> JournalCursor {
    JournalCursor([position; PARTITIONS as usize])
}

async fn a_group_starts_where_it_first_joined(storage: Storage) -> Checked {
    storage.journal.append(&history("s", 1..=3)).await?;
    let heads = storage.journal.heads().await?;
    let positions = &storage.positions;
    ensure_eq!(positions.join("late", &heads).await?, heads, "a new group that starts at the end");
    ensure_eq!(positions.join("early", &JournalCursor::default()).await?, JournalCursor::default(), "at the start");
    ensure_eq!(positions.join("late", &JournalCursor::default()).await?, heads, "a known group from the start");
    ensure_eq!(positions.join("early", &cursor(9)).await?, JournalCursor::default(), "a known group from the end");
    ensure_eq!(positions.positions("late").await?, heads, "where the one stands");
    ensure_eq!(positions.positions("early").await?, JournalCursor::default(), "where the other stands");
    Ok(())
}

async fn a_group_nobody_knows_stands_at_zero(storage: Storage) -> Checked {
    ensure_eq!(storage.positions.positions("nobody").await?, JournalCursor::default(), "positions");
    ensure_eq!(storage.positions.join("nobody", &cursor(3)).await?, cursor(3), "it is still new");
    Ok(())
}

async fn positions_only_go_forward(storage: Storage) -> Checked {
    let leases = storage.all_leases("group:g", "a").await?;
    storage.positions.join("g", &cursor(5)).await?;
    storage.positions.join("other", &cursor(5)).await?;
    let to = [(leases[0].clone(), 7), (leases[1].clone(), 3), (leases[15].clone(), 5)];
    storage.positions.advance("g", &to).await?;
    let mut expected = cursor(5);
    expected.0[0] = 7;
    ensure_eq!(storage.positions.positions("g").await?, expected, "after going on and back");
    storage.positions.advance("g", &[(leases[0].clone(), 6)]).await?;
    storage.positions.advance("g", &[]).await?;
    ensure_eq!(storage.positions.positions("g").await?, expected, "after going back");
    ensure_eq!(storage.positions.positions("other").await?, cursor(5), "another group");
    ensure_eq!(storage.positions.join("g", &cursor(0)).await?, expected, "joining again");
    Ok(())
}

async fn one_lost_lease_refuses_the_whole(storage: Storage) -> Checked {
    storage.positions.join("g", &cursor(0)).await?;
    let lost = storage.leases.heartbeat("group:g", "zombie", PARTITIONS, SHORT).await?.leases;
    ensure_eq!(lost.len(), usize::from(PARTITIONS), "leases of the only member");
    let taken = storage.take_over("group:g", "heir").await?.leases;
    let mixed: Vec<(Lease, u64)> = taken[..15].iter().chain(&lost[15..]).cloned().map(|lease| (lease, 4)).collect();
    expect_kind(
        storage.positions.advance("g", &mixed).await,
        StorageErrorKind::Fenced,
        "advancing with one lost lease",
    )?;
    let backwards: Vec<(Lease, u64)> = mixed.into_iter().rev().collect();
    expect_kind(storage.positions.advance("g", &backwards).await, StorageErrorKind::Fenced, "in another order")?;
    ensure_eq!(storage.positions.positions("g").await?, cursor(0), "where the group stands");
    let all: Vec<(Lease, u64)> = taken.into_iter().map(|lease| (lease, 4)).collect();
    storage.positions.advance("g", &all).await?;
    ensure_eq!(storage.positions.positions("g").await?, cursor(4), "after the heir went on");
    Ok(())
}

async fn a_removed_group_is_new_again(storage: Storage) -> Checked {
    let positions = &storage.positions;
    let leases = storage.all_leases("group:g", "a").await?;
    positions.join("g", &cursor(5)).await?;
    positions.join("other", &cursor(5)).await?;
    storage.leases.leave("group:g", "a").await?;
    ensure_eq!(positions.is_known("g").await?, true, "before");
    ensure_eq!(positions.remove("g").await?, true, "removing a group without members");
    ensure_eq!(positions.is_known("g").await?, false, "afterwards");
    ensure_eq!(positions.positions("g").await?, cursor(0), "where it stands");
    ensure_eq!(positions.remove("g").await?, true, "removing it again");
    ensure_eq!(positions.remove("nobody").await?, true, "removing what nobody knows");
    let stale = [(leases[0].clone(), 9)];
    expect_kind(positions.advance("g", &stale).await, StorageErrorKind::Fenced, "advancing with a lease that is gone")?;
    ensure_eq!(positions.join("g", &cursor(3)).await?, cursor(3), "joining anew");
    ensure_eq!(positions.positions("other").await?, cursor(5), "another group");
    Ok(())
}

async fn a_group_with_living_members_is_not_removed(storage: Storage) -> Checked {
    let positions = &storage.positions;
    let leases = storage.all_leases("group:g", "a").await?;
    positions.join("g", &cursor(5)).await?;
    ensure_eq!(positions.remove("g").await?, false, "removing a group with a member");
    positions.advance("g", &[(leases[0].clone(), 7)]).await?;
    ensure_eq!(positions.positions("g").await?.0[0], 7, "its member goes on");
    Ok(())
}
