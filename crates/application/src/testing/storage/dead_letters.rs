use super::{
    Storage,
    case::Checked,
    failures::{failed, future, nth, sequences, to},
    samples::hard_events,
};
use crate::ports::{AfterDeadLetter, DeadLetter, DeadLetterState, Death, DeathReason, Failures, Intake, ParkedEvent};

cases!("dead letters":
    every_attribute_survives,
    what_is_given_up_leaves_its_lane_and_the_claim_goes_on,
    what_is_given_up_with_hold_keeps_its_followers_waiting,
    what_is_buried_with_hold_keeps_its_followers_waiting,
    what_is_buried_is_in_nobodys_way,
    a_lane_that_is_held_does_not_end,
    a_replay_comes_before_its_followers_in_its_old_place,
    replaying_twice_has_the_effect_of_once,
    a_lane_is_held_until_nothing_holds_it,
    a_discard_frees_the_lane_and_is_for_ever,
    a_replay_that_was_taken_is_replayed_with_it,
    what_dies_again_keeps_its_number_and_its_past,
);

async fn every_attribute_survives(storage: Storage) -> Checked {
    let reasons = [DeathReason::Exhausted, DeathReason::Permanent, DeathReason::Undecodable, DeathReason::Crashed];
    for (n, event) in hard_events().into_iter().enumerate() {
        let addressed = to("Ünï 'handler'", event);
        let subject = addressed.event.subject.clone();
        let failures = Failures { first_at: "1969-12-31T23:59:59.999999Z".parse()?, ..failed(7) };
        let (reason, holds) = (reasons[n % reasons.len()], n % 2 == 0);
        let after = if holds { AfterDeadLetter::Hold } else { AfterDeadLetter::Continue };
        ensure!(storage.parking.bury(&addressed, reason, &failures, after).await?, "{subject} was not buried");
        let newest = storage.letters().await?.remove(0);
        ensure_eq!(newest.id, i64::try_from(n)? + 1, "the number of {subject}");
        ensure!(newest.addressed == addressed, "{subject} changed when it died");
        ensure_eq!(newest.death, Death { reason, failures }, "the death of {subject}");
        let rest = (newest.state, newest.holds, newest.earlier.len());
        ensure_eq!(rest, (DeadLetterState::Dead, holds, 0), "state, hold and earlier deaths of {subject}");
        ensure!(storage.dead_letters.find(newest.id).await? == Some(newest), "{subject} is found differently");
    }
    ensure_eq!(storage.dead_letters.find(1_000).await?, None, "a number that nothing has");
    Ok(())
}

async fn what_is_given_up_leaves_its_lane_and_the_claim_goes_on(storage: Storage) -> Checked {
    let events = storage.park_lane("key", 3).await?;
    let lane = storage.claim(0).await?;
    storage.give_up(&lane, AfterDeadLetter::Continue).await?;
    let letter = storage.letter().await?;
    ensure_eq!(letter.addressed, events[0], "who died");
    let death = Death { reason: DeathReason::Exhausted, failures: failed(9) };
    ensure_eq!((letter.death, letter.holds), (death, false), "its death, and whether it holds the lane");
    ensure_eq!(storage.intake(&events[0]).await?, Intake::AlreadyTaken, "the inbox");
    ensure_eq!(storage.claims(1).await?, vec![], "the lane, while the claim goes on");
    ensure_eq!(storage.empty(&lane).await?, vec![2, 3], "what was taken afterwards");
    ensure_eq!(storage.intake(&nth("key", 4)).await?, Intake::New, "the next event");
    Ok(())
}

/// Fails unless the only lane waits for an operator, with these events of [`nth`].
async fn ensure_held(storage: &Storage, key: &str, waiting: &[u64]) -> Checked {
    ensure_eq!(storage.claims(90_000).await?, vec![], "lanes to be claimed while it is held");
    ensure_eq!(storage.parking.next_due(&["handler"]).await?, None, "when a lane can be claimed while it is held");
    ensure_eq!(storage.intake(&nth(key, 100)).await?, Intake::Behind, "a later event while it is held");
    ensure_eq!(sequences(&storage.parked().await?), waiting.to_vec(), "what waits");
    ensure_eq!(storage.parking.depth().await?.held_lanes, 1, "held lanes");
    Ok(())
}

async fn what_is_given_up_with_hold_keeps_its_followers_waiting(storage: Storage) -> Checked {
    storage.park_lane("key", 2).await?;
    let lane = storage.claim(0).await?;
    storage.give_up(&lane, AfterDeadLetter::Hold).await?;
    ensure!(storage.letter().await?.holds, "the dead letter does not hold its lane");
    let renewed = storage.parking.renew(std::slice::from_ref(&lane), future(900)).await?;
    ensure_eq!(renewed, vec![], "claims that are held");
    ensure_held(&storage, "key", &[2]).await?;
    storage.park(&nth("key", 3), None).await?;
    ensure_held(&storage, "key", &[2, 3]).await
}

async fn what_is_buried_with_hold_keeps_its_followers_waiting(storage: Storage) -> Checked {
    storage.bury(&nth("key", 1), AfterDeadLetter::Hold).await?;
    ensure_held(&storage, "key", &[]).await?;
    storage.park(&nth("key", 2), None).await?;
    ensure_held(&storage, "key", &[2]).await
}

async fn what_is_buried_is_in_nobodys_way(storage: Storage) -> Checked {
    let buried = nth("key", 1);
    storage.bury(&buried, AfterDeadLetter::Continue).await?;
    ensure_eq!(storage.intake(&buried).await?, Intake::AlreadyTaken, "the inbox");
    ensure_eq!(storage.intake(&nth("key", 2)).await?, Intake::New, "the next event");
    ensure_eq!(storage.claims(900).await?, vec![], "lanes to be claimed");
    Ok(())
}

async fn a_lane_that_is_held_does_not_end(storage: Storage) -> Checked {
    storage.park_lane("key", 1).await?;
    storage.bury(&nth("key", 2), AfterDeadLetter::Hold).await?;
    ensure_held(&storage, "key", &[1]).await?;
    let lane = storage.park_lane("other", 1).await?;
    let other = storage.claim(0).await?;
    storage.give_up(&other, AfterDeadLetter::Hold).await?;
    ensure_eq!(storage.intake(&nth("other", 2)).await?, Intake::Behind, "a held lane without events");
    ensure_eq!(storage.intake(&lane[0]).await?, Intake::AlreadyTaken, "what holds it");
    Ok(())
}

async fn a_replay_comes_before_its_followers_in_its_old_place(storage: Storage) -> Checked {
    storage.park_lane("key", 4).await?;
    let lane = storage.claim(0).await?;
    let before = storage.lane(&lane).await?;
    storage.give_up(&lane, AfterDeadLetter::Continue).await?;
    storage.give_up(&lane, AfterDeadLetter::Hold).await?;
    let [second, first]: [DeadLetter; 2] = storage.letters().await?.try_into().map_err(|_| "not two dead letters")?;
    ensure!(first.id < second.id, "numbers are not in the order of deaths");
    // What died last is replayed first, and comes behind what died first when that is replayed.
    for (letter, expected) in [(&second, vec![2, 3, 4]), (&first, vec![1, 2, 3, 4])] {
        ensure!(storage.dead_letters.replay(letter.id).await?, "it was not replayed");
        ensure_eq!(sequences(&storage.parked().await?), expected, "what is parked");
    }
    let letter = storage.dead_letters.find(first.id).await?.ok_or("it is gone")?;
    let (state, death) = (letter.state, letter.death.clone());
    ensure_eq!((state, death), (DeadLetterState::Replaying, first.death.clone()), "its state and its death");
    let lane = storage.claim(0).await?;
    let anew = |parked: &ParkedEvent, found: &ParkedEvent| {
        *found == ParkedEvent { failures: None, parked_at: found.parked_at, ..parked.clone() }
    };
    let found = storage.lane(&lane).await?;
    ensure!(found.iter().zip(&before).all(|(found, parked)| anew(parked, found)), "not as before, anew: {found:?}");
    ensure_eq!(storage.empty(&lane).await?, vec![1, 2, 3, 4], "what was taken");
    Ok(())
}

async fn replaying_twice_has_the_effect_of_once(storage: Storage) -> Checked {
    storage.bury(&nth("key", 1), AfterDeadLetter::Continue).await?;
    let id = storage.letter().await?.id;
    ensure!(storage.dead_letters.replay(id).await?, "it was not replayed");
    let (parked, letter) = (storage.parked().await?, storage.letter().await?);
    ensure_eq!(parked.len(), 1, "parked events");
    ensure!(!letter.holds, "what is replayed still holds its lane");
    for what in ["while it waits", "while it is claimed"] {
        ensure!(!storage.dead_letters.replay(id).await?, "it was replayed twice, {what}");
        ensure!(!storage.dead_letters.discard(id).await?, "what is replayed was discarded, {what}");
        ensure_eq!(storage.parked().await?, parked, "what is parked, {what}");
        ensure_eq!(storage.letter().await?, letter, "the dead letter, {what}");
        let _claimed = storage.claims(0).await?;
    }
    let lane = storage.claim(60).await?;
    ensure_eq!(storage.empty(&lane).await?, vec![1], "what was taken");
    ensure!(!storage.dead_letters.replay(id).await?, "what was taken was replayed");
    ensure!(!storage.dead_letters.discard(id).await?, "what was taken was discarded");
    ensure!(!storage.dead_letters.replay(id + 1).await?, "what is not there was replayed");
    ensure_eq!(storage.parked().await?, vec![], "what is parked at the end");
    Ok(())
}

async fn a_lane_is_held_until_nothing_holds_it(storage: Storage) -> Checked {
    for sequence in [1, 2, 3] {
        storage.bury(&nth("key", sequence), AfterDeadLetter::Hold).await?;
    }
    storage.park(&nth("key", 4), None).await?;
    let [third, second, first]: [DeadLetter; 3] =
        storage.letters().await?.try_into().map_err(|_| "not three dead letters")?;
    ensure!(storage.dead_letters.replay(second.id).await?, "it was not replayed");
    ensure_held(&storage, "key", &[2, 4]).await?;
    ensure!(storage.dead_letters.discard(first.id).await?, "it was not discarded");
    ensure_held(&storage, "key", &[2, 4]).await?;
    ensure!(storage.dead_letters.replay(third.id).await?, "it was not replayed");
    ensure_eq!(storage.parking.depth().await?.held_lanes, 0, "held lanes");
    let lane = storage.claim(0).await?;
    ensure_eq!(storage.empty(&lane).await?, vec![2, 3, 4], "what was taken");
    Ok(())
}

async fn a_discard_frees_the_lane_and_is_for_ever(storage: Storage) -> Checked {
    let (alone, first) = (nth("alone", 1), nth("key", 1));
    for addressed in [&alone, &first] {
        storage.bury(addressed, AfterDeadLetter::Hold).await?;
    }
    storage.park(&nth("key", 2), None).await?;
    let letters = storage.letters().await?;
    for letter in &letters {
        ensure!(storage.dead_letters.discard(letter.id).await?, "it was not discarded");
        ensure!(!storage.dead_letters.discard(letter.id).await?, "it was discarded twice");
        ensure!(!storage.dead_letters.replay(letter.id).await?, "what was discarded was replayed");
        let found = storage.dead_letters.find(letter.id).await?.ok_or("it is gone")?;
        ensure_eq!((found.state, found.holds), (DeadLetterState::Discarded, false), "its state and hold");
        ensure!(found.changed_at >= letter.changed_at, "the change is older than the death");
        ensure_eq!(found.death, letter.death, "its death");
    }
    for addressed in [&alone, &first] {
        ensure_eq!(storage.intake(addressed).await?, Intake::AlreadyTaken, "what was discarded");
        ensure!(!storage.parking.park(addressed, None, future(0)).await?, "what was discarded was parked");
    }
    ensure_eq!(storage.intake(&nth("alone", 2)).await?, Intake::New, "the next where nothing waits");
    let lane = storage.claim(0).await?;
    ensure_eq!(storage.empty(&lane).await?, vec![2], "what was taken where something did");
    Ok(())
}

async fn a_replay_that_was_taken_is_replayed_with_it(storage: Storage) -> Checked {
    storage.bury(&nth("key", 1), AfterDeadLetter::Hold).await?;
    let dead = storage.letter().await?;
    ensure!(storage.dead_letters.replay(dead.id).await?, "it was not replayed");
    let lane = storage.claim(0).await?;
    let place = storage.lane(&lane).await?[0].place;
    let mut uow = storage.begin().await?;
    ensure!(uow.parking().take(&lane, place).await?, "it was not taken");
    uow.rollback().await;
    ensure_eq!(storage.letter().await?.state, DeadLetterState::Replaying, "its state, after a rollback");
    ensure!(storage.take(&lane, place).await?, "it was not taken");
    let letter = storage.letter().await?;
    let found = (letter.id, letter.state, letter.holds, letter.death);
    ensure_eq!(found, (dead.id, DeadLetterState::Replayed, false, dead.death), "what it has become");
    Ok(())
}

async fn what_dies_again_keeps_its_number_and_its_past(storage: Storage) -> Checked {
    const DEATHS: u32 = 23;
    const KEPT: usize = 20;
    storage.park_lane("key", 2).await?;
    storage.bury(&nth("another", 1), AfterDeadLetter::Continue).await?;
    let mut deaths: Vec<Death> = Vec::new();
    for n in 1..=DEATHS {
        let death = Death {
            reason: if n % 2 == 0 { DeathReason::Crashed } else { DeathReason::Exhausted },
            failures: failed(n),
        };
        let lane = storage.claim(0).await?;
        let first = storage.lane(&lane).await?.remove(0);
        ensure_eq!(first.addressed.event.sequence, 1, "the first of the lane, before death {n}");
        let after = if n % 3 == 0 { AfterDeadLetter::Continue } else { AfterDeadLetter::Hold };
        storage.parking.give_up(&lane, first.place, death.reason, &death.failures, after).await?;
        storage.parking.release(&lane).await?;
        let letter = storage.letters().await?.remove(0);
        ensure_eq!((letter.id, letter.state), (2, DeadLetterState::Dead), "number and state, after death {n}");
        ensure_eq!(letter.holds, n % 3 != 0, "whether it holds its lane, after death {n}");
        ensure_eq!(letter.death, death, "its last death, after death {n}");
        let kept = deaths[deaths.len().saturating_sub(KEPT)..].to_vec();
        ensure_eq!(letter.earlier, kept, "its earlier deaths, after death {n}");
        deaths.push(death);
        ensure!(storage.dead_letters.replay(2).await?, "it was not replayed after death {n}");
    }
    ensure_eq!(storage.letters().await?.len(), 2, "dead letters");
    let lane = storage.claim(0).await?;
    ensure_eq!(storage.empty(&lane).await?, vec![1, 2], "what was taken in the end");
    Ok(())
}
