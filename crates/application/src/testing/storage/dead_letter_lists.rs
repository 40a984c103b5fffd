use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{
    Storage,
    case::Checked,
    failures::{failed, future, insist, nth, to},
    samples::event,
};
use crate::ports::{
    AfterDeadLetter, DeadLetter, DeadLetterFilter, DeadLetterState, DeathReason, Failures, PARKING_PAGE_MAX,
};

cases!("lists of dead letters":
    they_are_filtered_and_paged_newest_first,
    they_are_filtered_and_paged_oldest_first,
    a_page_has_a_largest_size,
    numbers_are_those_of_first_deaths,
    what_was_dealt_with_long_ago_is_pruned,
    many_replays_at_once_have_the_effect_of_once,
);

/// Dead letters of every kind.
async fn of_every_kind(storage: &Storage) -> Checked {
    let reasons = [DeathReason::Exhausted, DeathReason::Permanent, DeathReason::Undecodable, DeathReason::Crashed];
    for n in 0..12_u32 {
        let mut event = event(["a", "b", "c"][n as usize % 3], n.into());
        event.name = ["thing.happened", "thing.changed"][n as usize % 2].into();
        let failures = Failures { last_at: future(i64::from(n) * 7 % 12), ..failed(1) };
        let reason = reasons[n as usize % 4];
        let handler = ["one", "two"][n as usize / 6];
        let after = [AfterDeadLetter::Hold, AfterDeadLetter::Continue][n as usize / 3 % 2];
        ensure!(storage.parking.bury(&to(handler, event), reason, &failures, after).await?, "{n} was not buried");
    }
    for id in [2, 5, 8] {
        ensure!(storage.dead_letters.discard(id).await?, "{id} was not discarded");
    }
    for id in [3, 9] {
        ensure!(storage.dead_letters.replay(id).await?, "{id} was not replayed");
    }
    Ok(())
}

fn wanted(filter: &DeadLetterFilter, letter: &DeadLetter) -> bool {
    let event = &letter.addressed.event;
    filter.handler.as_ref().is_none_or(|handler| *handler == letter.addressed.handler)
        && filter.event.as_ref().is_none_or(|name| *name == event.name)
        && filter.subject.as_ref().is_none_or(|subject| *subject == event.subject)
        && filter.reason.is_none_or(|reason| reason == letter.death.reason)
        && filter.state.is_none_or(|state| state == letter.state)
        && filter.from.is_none_or(|from| letter.died_at >= from)
        && filter.to.is_none_or(|to| letter.died_at < to)
}

/// A filter by each condition, and by several. Times are those of deaths: a bound is as exact as it can be.
fn filters(times: &[Timestamp]) -> Vec<DeadLetterFilter> {
    let none = DeadLetterFilter::default;
    let some = |text: &str| Some(text.to_owned());
    let (early, late) = (times[times.len() / 4], times[times.len() * 3 / 4]);
    vec![
        none(),
        DeadLetterFilter { handler: some("one"), ..none() },
        DeadLetterFilter { event: some("thing.changed"), ..none() },
        DeadLetterFilter { subject: some("b"), ..none() },
        DeadLetterFilter { subject: some("b' OR 1=1 --"), ..none() },
        DeadLetterFilter { reason: Some(DeathReason::Exhausted), ..none() },
        DeadLetterFilter { reason: Some(DeathReason::Crashed), ..none() },
        DeadLetterFilter { state: Some(DeadLetterState::Dead), ..none() },
        DeadLetterFilter { state: Some(DeadLetterState::Discarded), ..none() },
        DeadLetterFilter { state: Some(DeadLetterState::Replaying), ..none() },
        DeadLetterFilter { state: Some(DeadLetterState::Replayed), ..none() },
        DeadLetterFilter { from: Some(early), ..none() },
        DeadLetterFilter { to: Some(late), ..none() },
        DeadLetterFilter { from: Some(early), to: Some(late), ..none() },
        DeadLetterFilter { from: Some(late), to: Some(early), ..none() },
        DeadLetterFilter {
            handler: some("two"),
            event: some("thing.happened"),
            subject: some("a"),
            reason: Some(DeathReason::Undecodable),
            state: Some(DeadLetterState::Dead),
            from: Some(times[0]),
            to: None,
        },
    ]
}

async fn they_are_filtered_and_paged_newest_first(storage: Storage) -> Checked {
    of_every_kind(&storage).await?;
    let all = storage.letters().await?;
    let ids: Vec<i64> = all.iter().map(|letter| letter.id).collect();
    ensure_eq!(ids, (1..=12).rev().collect::<Vec<_>>(), "all numbers, newest first");
    let mut times: Vec<Timestamp> = all.iter().map(|letter| letter.died_at).collect();
    times.sort();
    for filter in filters(&times) {
        let expected: Vec<DeadLetter> = all.iter().filter(|letter| wanted(&filter, letter)).cloned().collect();
        ensure_eq!(storage.dead_letters.count(&filter).await?, expected.len() as u64, "how many of {filter:?}");
        for limit in [1, 2, 3, 100] {
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let page = storage.dead_letters.list(&filter, before, limit).await?;
                ensure!(page.items.len() <= limit as usize, "a page of {limit} holds {}", page.items.len());
                found.extend(page.items);
                before = page.next;
                if before.is_none() {
                    break;
                }
                ensure!(found.len() < expected.len(), "a page follows the last, for {filter:?} by {limit}");
            }
            ensure_eq!(found, expected, "pages of {limit} of {filter:?}");
        }
        ensure_oldest_first(&storage, &filter, &expected).await?;
    }
    Ok(())
}

/// Fails unless these, newest first, are read the other way round too, whatever the size of pages.
async fn ensure_oldest_first(storage: &Storage, filter: &DeadLetterFilter, newest_first: &[DeadLetter]) -> Checked {
    let expected: Vec<DeadLetter> = newest_first.iter().rev().cloned().collect();
    for limit in [1, 5, 100] {
        let mut found: Vec<DeadLetter> = Vec::new();
        loop {
            let after = found.last().map(|letter| letter.id);
            let page = storage.dead_letters.oldest(filter, after, limit).await?;
            ensure!(page.len() <= limit as usize, "{limit} of the oldest are {}", page.len());
            if page.is_empty() {
                break;
            }
            found.extend(page);
            ensure!(found.len() <= expected.len(), "the oldest of {filter:?} by {limit} come twice");
        }
        ensure_eq!(found, expected, "the oldest of {filter:?} by {limit}");
    }
    Ok(())
}

async fn they_are_filtered_and_paged_oldest_first(storage: Storage) -> Checked {
    of_every_kind(&storage).await?;
    let mut all = storage.letters().await?;
    all.reverse();
    let mut times: Vec<Timestamp> = all.iter().map(|letter| letter.died_at).collect();
    times.sort();
    for filter in filters(&times) {
        let expected: Vec<DeadLetter> = all.iter().filter(|letter| wanted(&filter, letter)).cloned().collect();
        for limit in [1, 2, 5, 100] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = storage.dead_letters.oldest(&filter, after, limit).await?;
                ensure!(page.len() <= limit as usize, "a page of {limit} holds {}", page.len());
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                found.extend(page);
                ensure!(found.len() <= expected.len(), "a page follows the last, for {filter:?} by {limit}");
            }
            ensure_eq!(found, expected, "pages of {limit} of {filter:?}");
        }
    }
    Ok(())
}

async fn a_page_has_a_largest_size(storage: Storage) -> Checked {
    for sequence in 1..=u64::from(PARKING_PAGE_MAX) + 1 {
        storage.bury(&nth("key", sequence), AfterDeadLetter::Continue).await?;
    }
    let all = DeadLetterFilter::default();
    let page = storage.dead_letters.list(&all, None, u32::MAX).await?;
    ensure_eq!(page.items.len(), PARKING_PAGE_MAX as usize, "a page");
    let rest = storage.dead_letters.list(&all, page.next, u32::MAX).await?;
    ensure_eq!((rest.items.len(), rest.next), (1, None), "the next page");
    let oldest = storage.dead_letters.oldest(&all, None, u32::MAX).await?;
    ensure_eq!(oldest.len(), PARKING_PAGE_MAX as usize, "a page of the oldest");
    let rest = storage.dead_letters.oldest(&all, oldest.last().map(|letter| letter.id), u32::MAX).await?;
    ensure_eq!(rest.len(), 1, "the next page of the oldest");
    Ok(())
}

async fn numbers_are_those_of_first_deaths(storage: Storage) -> Checked {
    storage.park_lane("key", 2).await?;
    let lane = storage.claim(0).await?;
    storage.bury(&nth("another", 1), AfterDeadLetter::Continue).await?;
    storage.give_up(&lane, AfterDeadLetter::Continue).await?;
    storage.bury(&nth("another", 2), AfterDeadLetter::Continue).await?;
    storage.give_up(&lane, AfterDeadLetter::Continue).await?;
    let letters = storage.letters().await?;
    let found: Vec<(&str, u64)> =
        letters.iter().map(|l| (l.addressed.event.subject.as_str(), l.addressed.event.sequence)).collect();
    ensure_eq!(found, vec![("key", 2), ("another", 2), ("key", 1), ("another", 1)], "dead letters, newest first");
    ensure_eq!(letters.last().map(|letter| letter.id), Some(1), "the first number");
    Ok(())
}

async fn what_was_dealt_with_long_ago_is_pruned(storage: Storage) -> Checked {
    of_every_kind(&storage).await?;
    let lanes = storage.parking.claim(&["one", "two"], future(0), super::failures::LEASE, 9).await?;
    for lane in &lanes {
        storage.empty(lane).await?;
    }
    let all = storage.letters().await?;
    let dealt_with =
        |letter: &&DeadLetter| matches!(letter.state, DeadLetterState::Replayed | DeadLetterState::Discarded);
    let mut old: Vec<DeadLetter> = all.iter().filter(dealt_with).cloned().collect();
    old.sort_by_key(|letter| letter.changed_at);
    ensure_eq!(old.len(), 5, "what was replayed or discarded");
    let (first, last) = (old[0].changed_at, old[4].changed_at);
    ensure_eq!(storage.dead_letters.prune(first, 100).await?, 0, "before the first");
    let later = last + SignedDuration::from_micros(1);
    for (limit, expected) in [(0, 0), (2, 2), (100, 3), (100, 0)] {
        ensure_eq!(storage.dead_letters.prune(later, limit).await?, expected, "up to {limit}");
    }
    let left = storage.letters().await?;
    let expected: Vec<DeadLetter> = all.iter().filter(|letter| !dealt_with(letter)).cloned().collect();
    ensure_eq!(left, expected, "what is left");
    ensure_eq!(storage.dead_letters.prune(future(0), 100).await?, 0, "what is dead and nothing else");
    Ok(())
}

async fn many_replays_at_once_have_the_effect_of_once(storage: Storage) -> Checked {
    for sequence in 1..=4 {
        storage.bury(&nth("key", sequence), AfterDeadLetter::Hold).await?;
    }
    let storage = Arc::new(storage);
    let tasks = (0..16).map(|n: i64| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let id = n % 4 + 1;
            Checked::Ok((id, insist(|| storage.dead_letters.replay(id)).await?))
        })
    });
    let mut replayed = BTreeSet::new();
    for task in tasks.collect::<Vec<_>>() {
        let (id, effect) = task.await??;
        ensure!(!effect || replayed.insert(id), "{id} was replayed twice");
    }
    ensure_eq!(replayed.len(), 4, "how many were replayed");
    let lane = storage.claim(0).await?;
    ensure_eq!(storage.empty(&lane).await?, vec![1, 2, 3, 4], "what was taken");
    Ok(())
}
