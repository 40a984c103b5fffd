use std::slice;

use super::{
    Storage,
    case::Checked,
    failures::{HANDLER, LEASE, failed, future, nth, sequences, to},
    samples::{event, expect_kind},
};
use crate::ports::{AfterDeadLetter, ClaimedLane, DeathReason, Intake, StorageErrorKind};

cases!("lanes":
    the_longest_due_are_claimed_first,
    only_lanes_of_these_handlers_are_claimed,
    a_claimed_lane_is_nobody_elses_until_the_claim_runs_out,
    a_claim_that_ran_out_holds_until_another_has_the_lane,
    a_renewed_claim_lasts,
    who_lost_a_lane_is_fenced,
    who_lost_a_lane_that_has_come_anew_is_fenced,
    a_lane_ends_when_none_of_its_events_is_left,
    what_is_parked_before_the_lane_ends_is_not_left_behind,
    while_a_lane_is_there_later_events_come_behind,
);

fn keys(lanes: &[ClaimedLane]) -> Vec<&str> {
    lanes.iter().map(|lane| lane.key.as_str()).collect()
}

async fn the_longest_due_are_claimed_first(storage: Storage) -> Checked {
    for (key, due) in [("c", 3), ("a", 1), ("e", 50), ("d", 4), ("b", 2)] {
        ensure!(storage.parking.park(&nth(key, 1), None, future(due)).await?, "{key} was not parked");
    }
    for (limit, expected) in [(0, vec![]), (2, vec!["a", "b"]), (1, vec!["c"]), (9, vec!["d"]), (9, vec![])] {
        let lanes = storage.parking.claim(&[HANDLER], future(10), LEASE, limit).await?;
        ensure_eq!(keys(&lanes), expected, "up to {limit} lanes");
    }
    Ok(())
}

async fn only_lanes_of_these_handlers_are_claimed(storage: Storage) -> Checked {
    for handler in ["one", "two", "three"] {
        storage.park(&to(handler, event("key", 1)), None).await?;
    }
    ensure_eq!(storage.parking.claim(&[], future(9), LEASE, 9).await?, vec![], "lanes of no handler");
    let lanes = storage.parking.claim(&["one", "three", "four"], future(9), LEASE, 9).await?;
    let mut handlers: Vec<&str> = lanes.iter().map(|lane| lane.handler.as_str()).collect();
    handlers.sort_unstable();
    ensure_eq!(handlers, vec!["one", "three"], "whose lanes were claimed");
    Ok(())
}

async fn a_claimed_lane_is_nobody_elses_until_the_claim_runs_out(storage: Storage) -> Checked {
    storage.park_lane("key", 2).await?;
    let mut last = storage.claim(0).await?;
    for round in 1..=3 {
        ensure_eq!(storage.claims(round * 60 - 1).await?, vec![], "lanes to be claimed before the claim runs out");
        let next = storage.claim(round * 60).await?;
        ensure!(next.epoch > last.epoch, "the epoch did not rise: {} after {}", next.epoch, last.epoch);
        last = next;
    }
    ensure_eq!(storage.empty(&last).await?, vec![1, 2], "what the last one took");
    Ok(())
}

async fn a_claim_that_ran_out_holds_until_another_has_the_lane(storage: Storage) -> Checked {
    let lane = storage.park_lane("key", 2).await?;
    let claimed = storage.claim(0).await?;
    // Its time is over for those who look, and nobody has.
    ensure_eq!(storage.parking.next_due(&[HANDLER]).await?, Some(future(60)), "when the claim runs out");
    ensure_eq!(storage.lane(&claimed).await?.len(), lane.len(), "its events");
    let renewed = storage.parking.renew(slice::from_ref(&claimed), future(500)).await?;
    ensure_eq!(renewed, vec![claimed.clone()], "claims that are held");
    ensure_eq!(storage.empty(&claimed).await?, vec![1, 2], "what it took");
    Ok(())
}

async fn a_renewed_claim_lasts(storage: Storage) -> Checked {
    for key in ["a", "b", "c"] {
        storage.park_lane(key, 1).await?;
    }
    let lanes = storage.claims(0).await?;
    ensure_eq!(lanes.len(), 3, "lanes");
    ensure_eq!(storage.parking.renew(&lanes[..2], future(100)).await?.len(), 2, "claims that are held");
    let heir = storage.claim(60).await?;
    ensure_eq!(heir.key, lanes[2].key, "what was not renewed");
    let mut held = storage.parking.renew(&lanes, future(200)).await?;
    held.sort_by(|a, b| a.key.cmp(&b.key));
    let mut expected = lanes[..2].to_vec();
    expected.sort_by(|a, b| a.key.cmp(&b.key));
    ensure_eq!(held, expected, "claims that are still held");
    ensure_eq!(storage.parking.renew(&[], future(200)).await?, vec![], "of none");
    // The third was not renewed by who has lost it: its claim ends when its owner's does.
    ensure_eq!(storage.claims(119).await?, vec![], "before the heir's claim runs out");
    ensure_eq!(storage.claim(120).await?.key, heir.key, "what can be claimed when it does");
    Ok(())
}

/// Fails unless nothing can be done with a claim that was lost, and nothing comes of trying.
async fn ensure_fenced(storage: &Storage, lost: &ClaimedLane, heir: &ClaimedLane) -> Checked {
    let (parked, letters) = (storage.lane(heir).await?, storage.letters().await?);
    let fenced = StorageErrorKind::Fenced;
    let place = parked[0].place;
    let after = AfterDeadLetter::Hold;
    let parking = &storage.parking;
    expect_kind(parking.events(lost, 10).await, fenced, "events of a lost lane")?;
    expect_kind(parking.postpone(lost, place, &failed(8), future(-900)).await, fenced, "postpone in a lost lane")?;
    let given_up = parking.give_up(lost, place, DeathReason::Exhausted, &failed(8), after).await;
    expect_kind(given_up, fenced, "give_up in a lost lane")?;
    ensure_eq!(parking.renew(slice::from_ref(lost), future(9_000)).await?, vec![], "renewed claims");
    ensure!(!storage.take(lost, place).await?, "an event was taken off a lost lane");
    parking.release(lost).await?;
    ensure_eq!(storage.claims(61).await?, vec![], "lanes that who lost it gave away");
    ensure_eq!(storage.lane(heir).await?, parked, "the heir's lane");
    ensure_eq!(storage.letters().await?, letters, "dead letters");
    Ok(())
}

async fn who_lost_a_lane_is_fenced(storage: Storage) -> Checked {
    storage.park_lane("key", 2).await?;
    let lost = storage.claim(0).await?;
    let heir = storage.claim(60).await?;
    ensure_fenced(&storage, &lost, &heir).await?;
    let forged = ClaimedLane { epoch: heir.epoch + 1, ..heir.clone() };
    expect_kind(storage.parking.events(&forged, 1).await, StorageErrorKind::Fenced, "events of a claim of no epoch")?;
    ensure_eq!(storage.empty(&heir).await?, vec![1, 2], "what the heir took");
    Ok(())
}

async fn who_lost_a_lane_that_has_come_anew_is_fenced(storage: Storage) -> Checked {
    storage.park_lane("key", 2).await?;
    let first = storage.claim(0).await?;
    let second = storage.claim(60).await?;
    ensure_eq!(storage.empty(&second).await?, vec![1, 2], "what the second took");
    for lost in [first, second] {
        storage.park(&nth("key", 3), Some(&failed(1))).await?;
        // As many claims as the lane had before, so that counting anew for every lane comes to the same number.
        let mut heir = storage.claim(60).await?;
        while heir.epoch < lost.epoch {
            storage.parking.release(&heir).await?;
            heir = storage.claim(60).await?;
        }
        ensure_fenced(&storage, &lost, &heir).await?;
        ensure_eq!(storage.empty(&heir).await?, vec![3], "what the heir took");
    }
    Ok(())
}

async fn a_lane_ends_when_none_of_its_events_is_left(storage: Storage) -> Checked {
    storage.park_lane("key", 2).await?;
    let lane = storage.claim(0).await?;
    for parked in storage.lane(&lane).await? {
        ensure!(storage.take(&lane, parked.place).await?, "an event was not taken");
    }
    let next = nth("key", 3);
    ensure_eq!(storage.intake(&next).await?, Intake::Behind, "while the lane is being emptied");
    ensure_eq!(storage.lane(&lane).await?, vec![], "what is left");
    ensure_eq!(storage.intake(&next).await?, Intake::New, "when the lane has ended");
    ensure_eq!(storage.claims(900).await?, vec![], "lanes to be claimed");
    ensure_eq!(storage.parking.next_due(&[HANDLER]).await?, None, "when one can be claimed");
    Ok(())
}

async fn what_is_parked_before_the_lane_ends_is_not_left_behind(storage: Storage) -> Checked {
    storage.park_lane("key", 1).await?;
    let lane = storage.claim(0).await?;
    let events = storage.lane(&lane).await?;
    ensure!(storage.take(&lane, events[0].place).await?, "the event was not taken");
    storage.park(&nth("key", 2), None).await?;
    ensure_eq!(sequences(&storage.lane(&lane).await?), vec![2], "what came before the end");
    ensure_eq!(storage.claims(1).await?, vec![], "the lane, while it is claimed");
    ensure_eq!(storage.empty(&lane).await?, vec![2], "what was taken");
    storage.park(&nth("key", 3), None).await?;
    let again = storage.claim(0).await?;
    ensure_eq!(storage.empty(&again).await?, vec![3], "what came after the end");
    Ok(())
}

async fn while_a_lane_is_there_later_events_come_behind(storage: Storage) -> Checked {
    storage.park_lane("key", 1).await?;
    let next = nth("key", 2);
    ensure_eq!(storage.intake(&next).await?, Intake::Behind, "behind what is parked");
    ensure_eq!(storage.intake(&next).await?, Intake::Behind, "asking records nothing");
    let lane = storage.claim(0).await?;
    ensure_eq!(storage.intake(&next).await?, Intake::Behind, "behind what is being tried");
    ensure_eq!(storage.intake(&nth("another key", 2)).await?, Intake::New, "another key");
    ensure_eq!(storage.intake(&to("another", event("key", 2))).await?, Intake::New, "another handler");
    storage.park(&next, None).await?;
    ensure_eq!(storage.intake(&next).await?, Intake::AlreadyTaken, "what is parked");
    ensure_eq!(storage.empty(&lane).await?, vec![1, 2], "what was taken");
    ensure_eq!(storage.intake(&next).await?, Intake::AlreadyTaken, "what was taken");
    ensure_eq!(storage.intake(&nth("key", 3)).await?, Intake::New, "the next");
    Ok(())
}
