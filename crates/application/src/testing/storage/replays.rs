use std::time::Duration;

use super::{
    Storage,
    case::Checked,
    failures::{HANDLER, failed, future, insist, nth, to},
    samples::event,
};
use crate::ports::{AfterDeadLetter, DeadLetterState, Intake, JournalCursor, Replay, ReplayProgress, StorageErrorKind};

cases!("replays":
    one_that_has_begun_goes_on_until_it_ends,
    progress_survives,
    what_arrives_meanwhile_comes_behind,
    lanes_wait_until_it_ends,
    a_lane_claimed_before_waits_too,
    what_was_taken_is_forgotten_piece_by_piece,
    what_is_parked_or_dead_is_not_forgotten,
    nothing_is_forgotten_once_the_journal_is_read,
    a_replayed_event_passes_what_comes_later,
    a_replayed_event_that_fails_comes_before_what_comes_later,
    it_begins_when_transactions_of_the_handler_have_ended,
    it_clears_until_who_is_forgetting_has_ended,
);

async fn one_that_has_begun_goes_on_until_it_ends(storage: Storage) -> Checked {
    ensure_eq!(storage.replays.list().await?, vec![], "at first");
    let (from, to) = (Some("1969-12-31T23:59:59.999999Z".parse()?), Some(future(0)));
    let first = storage.replays.begin(HANDLER, from, to).await?;
    let found = (first.handler.as_str(), first.from, first.to, &first.progress);
    ensure_eq!(found, (HANDLER, from, to, &ReplayProgress::Clearing), "what has begun");
    ensure_eq!(storage.replays.begin(HANDLER, None, Some(future(9))).await?, first, "what had begun already");
    let other = storage.replays.begin("another", None, None).await?;
    ensure_eq!((other.from, other.to), (None, None), "a range without bounds");
    let mut all = storage.replays.list().await?;
    all.sort_by(|a, b| a.handler.cmp(&b.handler));
    ensure_eq!(all, vec![other.clone(), first.clone()], "both");
    storage.replays.end(HANDLER).await?;
    storage.replays.end(HANDLER).await?;
    ensure_eq!(storage.replays.list().await?, vec![other], "what is left");
    let again = storage.replays.begin(HANDLER, None, None).await?;
    ensure_eq!((again.from, again.to, &again.progress), (None, None, &ReplayProgress::Clearing), "a new one");
    ensure!(again.began_at >= first.began_at, "the new one began before the first");
    Ok(())
}

async fn progress_survives(storage: Storage) -> Checked {
    let begun = storage.replays.begin(HANDLER, None, Some(future(1))).await?;
    storage.replays.begin("another", None, None).await?;
    let mut cursor = JournalCursor::default();
    for round in 0..3_u64 {
        let progress = ReplayProgress::Reading(cursor.clone());
        storage.replays.advance(HANDLER, &progress).await?;
        let expected = Replay { progress, ..begun.clone() };
        let all = storage.replays.list().await?;
        ensure_eq!(all.iter().find(|replay| replay.handler == HANDLER), Some(&expected), "round {round}");
        ensure_eq!(storage.replays.begin(HANDLER, None, None).await?, expected, "what it resumes from");
        let other = all.iter().find(|replay| replay.handler == "another").map(|replay| &replay.progress);
        ensure_eq!(other, Some(&ReplayProgress::Clearing), "the progress of another");
        for (partition, position) in cursor.0.iter_mut().enumerate() {
            *position += (1 << 40) * round + partition as u64;
        }
    }
    storage.replays.end(HANDLER).await?;
    storage.replays.advance(HANDLER, &ReplayProgress::Reading(cursor)).await?;
    ensure_eq!(storage.replays.list().await?.len(), 1, "replays, after one that has ended was advanced");
    Ok(())
}

async fn what_arrives_meanwhile_comes_behind(storage: Storage) -> Checked {
    let (taken, new) = (nth("key", 1), nth("key", 2));
    storage.take_in(&taken).await?;
    storage.replays.begin(HANDLER, None, None).await?;
    for progress in [ReplayProgress::Clearing, ReplayProgress::Reading(JournalCursor::default())] {
        storage.replays.advance(HANDLER, &progress).await?;
        ensure_eq!(storage.intake(&new).await?, Intake::Behind, "a new event, while {progress:?}");
        ensure_eq!(storage.intake(&nth("other", 1)).await?, Intake::Behind, "of another key, while {progress:?}");
        ensure_eq!(storage.intake(&taken).await?, Intake::AlreadyTaken, "what was taken, while {progress:?}");
        ensure_eq!(storage.intake(&to("another", event("key", 1))).await?, Intake::New, "another handler");
        ensure_eq!(storage.replay_intake(&new).await?, Intake::New, "a replayed event, while {progress:?}");
    }
    storage.replays.end(HANDLER).await?;
    ensure_eq!(storage.intake(&new).await?, Intake::New, "a new event, afterwards");
    Ok(())
}

async fn lanes_wait_until_it_ends(storage: Storage) -> Checked {
    storage.park_lane("before", 1).await?;
    storage.replays.begin(HANDLER, None, None).await?;
    let late = storage.parking.park(&nth("meanwhile", 1), None, future(5_000)).await?;
    ensure!(late, "an event that arrived meanwhile was not parked");
    storage.park(&to("another", event("key", 1)), None).await?;
    ensure_eq!(storage.claims(9_000).await?, vec![], "lanes to be claimed meanwhile");
    ensure_eq!(storage.parking.next_due(&[HANDLER]).await?, None, "when one can be claimed");
    let others = storage.parking.claim(&[HANDLER, "another"], future(0), super::failures::LEASE, 9).await?;
    ensure_eq!(others.len(), 1, "lanes of another handler");
    storage.replays.end(HANDLER).await?;
    let mut lanes: Vec<String> = storage.claims(0).await?.into_iter().map(|lane| lane.key).collect();
    lanes.sort_unstable();
    ensure_eq!(lanes, vec!["before".to_owned(), "meanwhile".to_owned()], "lanes to be claimed at once");
    Ok(())
}

async fn a_lane_claimed_before_waits_too(storage: Storage) -> Checked {
    storage.park_lane("key", 1).await?;
    let lane = storage.claim(0).await?;
    let place = storage.parking.events(&lane, 1).await?[0].place;
    storage.replays.begin(HANDLER, None, None).await?;
    ensure!(!storage.take(&lane, place).await?, "what is parked was taken while the journal is replayed");
    storage.replays.end(HANDLER).await?;
    let lane = storage.claim(9_000).await?;
    ensure!(storage.take(&lane, place).await?, "what is parked was not taken afterwards");
    Ok(())
}

async fn what_was_taken_is_forgotten_piece_by_piece(storage: Storage) -> Checked {
    let events: Vec<_> = (1..=5).map(|sequence| nth("key", sequence)).collect();
    for addressed in &events {
        storage.take_in(addressed).await?;
        storage.take_in(&to("another", (*addressed.event).clone())).await?;
    }
    ensure_eq!(storage.cannot_forget(HANDLER).await?, Some(StorageErrorKind::Fenced), "forgetting without a replay");
    storage.replays.begin(HANDLER, None, None).await?;
    for (limit, expected) in [(0, 0), (2, 2), (2, 2), (2, 1), (2, 0)] {
        ensure_eq!(storage.forget(HANDLER, limit).await?, expected, "up to {limit}");
    }
    for addressed in &events {
        ensure_eq!(storage.replay_intake(addressed).await?, Intake::New, "what was forgotten, to the replay");
        ensure_eq!(storage.intake(addressed).await?, Intake::Behind, "what was forgotten, to anybody else");
        let other = to("another", (*addressed.event).clone());
        ensure_eq!(storage.intake(&other).await?, Intake::AlreadyTaken, "another handler");
    }
    Ok(())
}

async fn what_is_parked_or_dead_is_not_forgotten(storage: Storage) -> Checked {
    let keys = ["parked", "dead", "discarded", "replaying", "replayed", "taken"];
    let events = keys.map(|key| nth(key, 1));
    for addressed in &events[1..5] {
        storage.bury(addressed, AfterDeadLetter::Continue).await?;
    }
    ensure!(storage.dead_letters.discard(2).await?, "it was not discarded");
    ensure!(storage.dead_letters.replay(4).await?, "it was not replayed");
    let lane = storage.claim(0).await?;
    storage.empty(&lane).await?;
    ensure!(storage.dead_letters.replay(3).await?, "it was not replayed");
    storage.park(&events[0], Some(&failed(1))).await?;
    storage.take_in(&events[5]).await?;
    let (parked, letters) = (storage.parked().await?, storage.letters().await?);
    ensure_eq!(letters[0].state, DeadLetterState::Replayed, "the state of what was taken after a replay");
    storage.replays.begin(HANDLER, None, None).await?;
    ensure_eq!(storage.forget(HANDLER, 100).await?, 2, "what was taken");
    for (key, addressed) in keys.iter().zip(&events) {
        let forgotten = matches!(*key, "replayed" | "taken");
        let expected = if forgotten { Intake::New } else { Intake::AlreadyTaken };
        ensure_eq!(storage.replay_intake(addressed).await?, expected, "what is {key}");
    }
    ensure_eq!(storage.parked().await?, parked, "what is parked");
    ensure_eq!(storage.letters().await?, letters, "dead letters");
    // What was replayed once and dies when the journal is replayed is the same dead letter.
    storage.bury(&events[4], AfterDeadLetter::Continue).await?;
    let again = storage.letters().await?.remove(0);
    let found = (again.id, again.state, again.earlier.len());
    ensure_eq!(found, (4, DeadLetterState::Dead, 1), "number, state and number of earlier deaths");
    Ok(())
}

async fn nothing_is_forgotten_once_the_journal_is_read(storage: Storage) -> Checked {
    storage.replays.begin(HANDLER, None, None).await?;
    storage.replays.advance(HANDLER, &ReplayProgress::Reading(JournalCursor::default())).await?;
    let replayed = nth("key", 1);
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.inbox().record_replayed(HANDLER, &replayed.event).await?, Intake::New, "a replayed event");
    let again = uow.inbox().record_replayed(HANDLER, &replayed.event).await?;
    ensure_eq!(again, Intake::AlreadyTaken, "the same in the same transaction");
    uow.commit().await?;
    let refused = storage.cannot_forget(HANDLER).await?;
    ensure_eq!(refused, Some(StorageErrorKind::Fenced), "forgetting what was replayed");
    ensure_eq!(storage.replay_intake(&replayed).await?, Intake::AlreadyTaken, "what was replayed");
    Ok(())
}

async fn a_replayed_event_passes_what_comes_later(storage: Storage) -> Checked {
    storage.replays.begin(HANDLER, None, None).await?;
    storage.park(&nth("key", 5), None).await?;
    storage.park(&to("another", event("key", 1)), Some(&failed(1))).await?;
    storage.bury(&nth("held", 5), AfterDeadLetter::Hold).await?;
    storage.bury(&nth("passed", 5), AfterDeadLetter::Continue).await?;
    for key in ["key", "held", "passed", "other"] {
        for (sequence, behind) in [(4, false), (6, !matches!(key, "passed" | "other"))] {
            let expected = if behind { Intake::Behind } else { Intake::New };
            ensure_eq!(storage.replay_intake(&nth(key, sequence)).await?, expected, "{key} {sequence}");
        }
    }
    // Another subject in the lane of a parked one.
    let mut other = event("subject of its own", 9);
    other.partition_key = "key".into();
    ensure_eq!(storage.replay_intake(&to(HANDLER, other)).await?, Intake::New, "another subject of the same key");
    let held = storage.letters().await?.into_iter().find(|letter| letter.holds).ok_or("nothing is held")?;
    ensure!(storage.dead_letters.discard(held.id).await?, "it was not discarded");
    ensure_eq!(storage.replay_intake(&nth("held", 6)).await?, Intake::New, "what nothing holds any longer");
    Ok(())
}

async fn a_replayed_event_that_fails_comes_before_what_comes_later(storage: Storage) -> Checked {
    storage.replays.begin(HANDLER, None, None).await?;
    for key in ["failed", "dead"] {
        for sequence in [10, 11] {
            storage.park(&nth(key, sequence), None).await?;
        }
    }
    let mut other = event("subject of its own", 1);
    other.partition_key = "failed".into();
    storage.park(&to(HANDLER, other), None).await?;
    storage.park(&nth("failed", 5), Some(&failed(3))).await?;
    storage.park(&nth("failed", 6), None).await?;
    storage.bury(&nth("dead", 5), AfterDeadLetter::Hold).await?;
    storage.park(&nth("dead", 6), None).await?;
    storage.replays.end(HANDLER).await?;
    let lane = storage.claim(0).await?;
    ensure_eq!(storage.empty(&lane).await?, vec![1, 5, 6, 10, 11], "what is taken of the lane with a failure");
    let letter = storage.letters().await?.into_iter().next().ok_or("there is no dead letter")?;
    ensure!(storage.dead_letters.replay(letter.id).await?, "it was not replayed");
    let lane = storage.claim(0).await?;
    ensure_eq!(storage.empty(&lane).await?, vec![5, 6, 10, 11], "what is taken of the lane with a dead letter");
    // No place is given out twice.
    storage.park_lane("another", 3).await?;
    let lane = storage.claim(0).await?;
    ensure_eq!(storage.empty(&lane).await?, vec![1, 2, 3], "what is taken of a lane that came afterwards");
    Ok(())
}

async fn it_begins_when_transactions_of_the_handler_have_ended(storage: Storage) -> Checked {
    for committed in [true, false] {
        let (handler, taken) = (format!("handler-{committed}"), event("key", 1));
        let mut uow = storage.begin().await?;
        ensure_eq!(uow.inbox().record(&handler, taken.id, "key").await?, Intake::New, "a new event");
        let (replays, of) = (storage.replays.clone(), handler.clone());
        let mut beginning = tokio::spawn(async move { insist(|| replays.begin(&of, None, None)).await });
        if let Ok(early) = tokio::time::timeout(Duration::from_millis(200), &mut beginning).await {
            return Err(format!("it began while the handler was taking an event: {:?}", early?).into());
        }
        match committed {
            true => uow.commit().await?,
            false => uow.rollback().await,
        }
        beginning.await??;
        let forgotten = storage.forget(&handler, 100).await?;
        ensure_eq!(forgotten, u64::from(committed), "what is forgotten, after a commit: {committed}");
    }
    Ok(())
}

/// Of two that are at the same replay, one may have been frozen: it must not clear what the other has made.
async fn it_clears_until_who_is_forgetting_has_ended(storage: Storage) -> Checked {
    storage.take_in(&nth("key", 1)).await?;
    storage.replays.begin(HANDLER, None, None).await?;
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.inbox().forget(HANDLER, 100).await?, 1, "what is forgotten");
    let replays = storage.replays.clone();
    let reading = ReplayProgress::Reading(JournalCursor::default());
    let mut advancing = tokio::spawn(async move { insist(|| replays.advance(HANDLER, &reading)).await });
    if let Ok(early) = tokio::time::timeout(Duration::from_millis(200), &mut advancing).await {
        return Err(format!("it went on while events were being forgotten: {:?}", early?).into());
    }
    uow.commit().await?;
    advancing.await??;
    ensure_eq!(
        storage.cannot_forget(HANDLER).await?,
        Some(StorageErrorKind::Fenced),
        "forgetting once the journal is read"
    );
    Ok(())
}
