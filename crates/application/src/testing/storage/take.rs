use std::time::Duration;

use super::{
    Storage,
    case::Checked,
    failures::{HANDLER, LEASE, future, insist, nth, sequences},
    samples::event,
};
use crate::ports::{ClaimedLane, Intake};

cases!("parking in a unit of work":
    what_is_taken_is_taken_with_the_effects,
    a_take_that_is_undone_has_no_effect,
    what_is_not_there_is_not_taken,
    nobody_claims_a_lane_while_an_event_is_taken_off_it,
);

async fn what_is_taken_is_taken_with_the_effects(storage: Storage) -> Checked {
    storage.park_lane("key", 2).await?;
    let lane = storage.claim(0).await?;
    let first = storage.lane(&lane).await?.remove(0);
    let mut uow = storage.begin().await?;
    ensure!(uow.parking().take(&lane, first.place).await?, "the first was not taken");
    ensure!(!uow.parking().take(&lane, first.place).await?, "the first was taken again in the same transaction");
    uow.outbox().append(&[event("effect", 1)]).await?;
    uow.commit().await?;
    ensure_eq!(sequences(&storage.lane(&lane).await?), vec![2], "what is left");
    ensure_eq!(sequences(&storage.parked().await?), vec![2], "what is listed");
    ensure_eq!(storage.outbox.depth().await?.events, 1, "effects");
    ensure_eq!(storage.intake(&first.addressed).await?, Intake::AlreadyTaken, "the inbox");
    ensure!(!storage.take(&lane, first.place).await?, "the first was taken again");
    Ok(())
}

async fn a_take_that_is_undone_has_no_effect(storage: Storage) -> Checked {
    storage.park_lane("key", 2).await?;
    let lane = storage.claim(0).await?;
    let before = storage.lane(&lane).await?;
    for dropped in [false, true] {
        let mut uow = storage.begin().await?;
        uow.outbox().append(&[event("effect", 1)]).await?;
        ensure!(uow.parking().take(&lane, before[0].place).await?, "the first was not taken");
        match dropped {
            true => drop(uow),
            false => uow.rollback().await,
        }
        ensure_eq!(storage.lane(&lane).await?, before, "the lane, after a drop: {dropped}");
        ensure_eq!(storage.outbox.depth().await?.events, 0, "effects, after a drop: {dropped}");
    }
    ensure_eq!(storage.empty(&lane).await?, vec![1, 2], "what was taken afterwards");
    Ok(())
}

async fn what_is_not_there_is_not_taken(storage: Storage) -> Checked {
    for key in ["a", "b"] {
        storage.park_lane(key, 1).await?;
    }
    let lanes = storage.claims(0).await?;
    ensure_eq!(lanes.len(), 2, "lanes");
    let (one, other) = (storage.lane(&lanes[0]).await?, storage.lane(&lanes[1]).await?);
    let forged = ClaimedLane { epoch: lanes[0].epoch - 1, ..lanes[0].clone() };
    for (what, lane, place) in [
        ("a place where nothing is", &lanes[0], other[0].place + 1_000),
        ("a place of another lane", &lanes[0], other[0].place),
        ("a place, by a claim of no epoch", &forged, one[0].place),
    ] {
        ensure!(!storage.take(lane, place).await?, "{what} was taken");
    }
    ensure_eq!(storage.parked().await?.len(), 2, "what is parked");
    Ok(())
}

async fn nobody_claims_a_lane_while_an_event_is_taken_off_it(storage: Storage) -> Checked {
    for committed in [true, false] {
        let key = format!("committed: {committed}");
        storage.park(&nth(&key, 1), None).await?;
        storage.park(&nth(&key, 2), None).await?;
        let lane = storage.claim(0).await?;
        let first = storage.lane(&lane).await?.remove(0);
        let mut uow = storage.begin().await?;
        ensure!(uow.parking().take(&lane, first.place).await?, "the first was not taken");
        let others = storage.clone();
        let mut heir = tokio::spawn(async move {
            loop {
                // Long after the claim ran out. Whether this waits or finds nothing is the storage's own business.
                let claimed = insist(|| others.parking.claim(&[HANDLER], future(900), LEASE, 9)).await?;
                match claimed.into_iter().next() {
                    Some(lane) => return Checked::Ok(lane),
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        if let Ok(early) = tokio::time::timeout(Duration::from_millis(200), &mut heir).await {
            return Err(format!("the lane was claimed while an event was taken off it: {:?}", early?).into());
        }
        let expected = if committed { vec![2] } else { vec![1, 2] };
        match committed {
            true => uow.commit().await?,
            false => uow.rollback().await,
        }
        let heir = heir.await??;
        ensure!(!storage.take(&lane, first.place).await?, "who lost the lane took an event");
        ensure_eq!(storage.empty(&heir).await?, expected, "what the heir took, after a commit: {committed}");
    }
    Ok(())
}
