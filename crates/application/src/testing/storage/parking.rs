use super::{
    Storage,
    case::Checked,
    failures::{HANDLER, failed, future, nth, sequences, to},
    samples::{event, hard_events},
};
use crate::ports::{
    AfterDeadLetter, DeathReason, ERROR_TEXT_MAX, Failures, Intake, PARKING_PAGE_MAX, ParkedEvent, ParkedFilter,
    ParkingDepth,
};

cases!("parking":
    every_attribute_survives,
    a_lane_is_in_the_order_of_its_places,
    each_handler_and_key_has_a_lane,
    a_page_has_a_largest_size,
    what_is_known_is_not_parked_again,
    a_new_lane_is_due_when_it_says_and_keeps_its_time,
    what_failed_again_waits_with_all_behind_it,
    a_released_lane_is_due_at_once,
    the_next_due_lane_is_told,
    lists_are_filtered_and_paged_by_place,
    depth_counts_events_and_held_lanes,
);

async fn every_attribute_survives(storage: Storage) -> Checked {
    let longest = Failures {
        attempts: u32::from(u16::MAX),
        first_at: "1969-12-31T23:59:59.999999Z".parse()?,
        last_at: "2038-01-19T03:14:08.123456Z".parse()?,
        error: "🚴x".chars().cycle().take(2 * (ERROR_TEXT_MAX / 5)).collect(),
    };
    let all = [Some(longest), None, Some(Failures { error: String::new(), ..failed(1) }), None, Some(failed(2))];
    for (event, failures) in hard_events().into_iter().zip(&all) {
        let addressed = to("Ünï 'handler'", event);
        storage.park(&addressed, failures.as_ref()).await?;
        let subject = &addressed.event.subject;
        let lanes = storage.parking.claim(&["Ünï 'handler'"], future(0), super::failures::LEASE, 1).await?;
        ensure_eq!(lanes.len(), 1, "lanes of {subject}");
        ensure_eq!(lanes[0].key, addressed.event.partition_key, "the key of {subject}");
        let found = storage.lane(&lanes[0]).await?;
        let filter = ParkedFilter { subject: Some(subject.clone()), ..Default::default() };
        let listed = storage.parking.list(&filter, None, 9).await?.items;
        ensure!(listed == found, "{subject} is listed differently than it is read");
        ensure_eq!(found.len(), 1, "events in the lane of {subject}");
        ensure!(found[0].addressed == addressed, "{subject} changed while it was parked");
        ensure_eq!(found[0].failures, *failures, "the failures of {subject}");
    }
    Ok(())
}

async fn a_lane_is_in_the_order_of_its_places(storage: Storage) -> Checked {
    // Neither the order of sequences nor that of ids, but that of parking: their subjects differ.
    for sequence in [3, 1, 4, 2, 5] {
        let mut event = event(&format!("subject-{sequence}"), sequence);
        event.partition_key = "key".into();
        storage.park(&to(HANDLER, event), None).await?;
    }
    let lane = storage.claim(0).await?;
    for (limit, expected) in [(1, vec![3]), (3, vec![3, 1, 4]), (5, vec![3, 1, 4, 2, 5]), (9, vec![3, 1, 4, 2, 5])] {
        let found = storage.parking.events(&lane, limit).await?;
        ensure_eq!(sequences(&found), expected, "the first {limit} events");
        ensure!(found.is_sorted_by(|a, b| a.place < b.place), "places do not rise: {found:?}");
    }
    Ok(())
}

async fn each_handler_and_key_has_a_lane(storage: Storage) -> Checked {
    let shared = event("key", 1);
    for (handler, event) in [("one", shared.clone()), ("two", shared), ("one", event("other", 1))] {
        storage.park(&to(handler, event), None).await?;
    }
    let mut lanes = storage.parking.claim(&["one", "two"], future(0), super::failures::LEASE, 10).await?;
    lanes.sort_by(|a, b| (&a.handler, &a.key).cmp(&(&b.handler, &b.key)));
    let found: Vec<(&str, &str)> = lanes.iter().map(|lane| (lane.handler.as_str(), lane.key.as_str())).collect();
    ensure_eq!(found, vec![("one", "key"), ("one", "other"), ("two", "key")], "lanes");
    for lane in &lanes {
        let events = storage.lane(lane).await?;
        ensure_eq!(events.len(), 1, "events of {lane:?}");
        ensure_eq!(events[0].addressed.handler, lane.handler, "the handler of an event of {lane:?}");
    }
    Ok(())
}

async fn a_page_has_a_largest_size(storage: Storage) -> Checked {
    let most = PARKING_PAGE_MAX as usize;
    for sequence in 1..=u64::from(PARKING_PAGE_MAX) + 1 {
        storage.park(&nth("key", sequence), None).await?;
    }
    let lane = storage.claim(0).await?;
    ensure_eq!(storage.parking.events(&lane, u32::MAX).await?.len(), most, "events of a lane");
    ensure_eq!(storage.parking.events(&lane, 0).await?, vec![], "no events of a lane");
    ensure_eq!(storage.lane(&lane).await?.len(), 100, "a lane of which none was read");
    let page = storage.parking.list(&ParkedFilter::default(), None, u32::MAX).await?;
    ensure_eq!(page.items.len(), most, "listed events");
    let rest = storage.parking.list(&ParkedFilter::default(), page.next, u32::MAX).await?;
    ensure_eq!((rest.items.len(), rest.next), (1, None), "the next page");
    Ok(())
}

async fn what_is_known_is_not_parked_again(storage: Storage) -> Checked {
    let (taken, parked, dead) = (nth("taken", 1), nth("parked", 1), nth("dead", 1));
    storage.take_in(&taken).await?;
    storage.park(&parked, Some(&failed(1))).await?;
    storage.bury(&dead, AfterDeadLetter::Continue).await?;
    let (before, letters) = (storage.parked().await?, storage.letters().await?);
    for (what, known) in [("taken", &taken), ("parked", &parked), ("a dead letter", &dead)] {
        ensure_eq!(storage.intake(known).await?, Intake::AlreadyTaken, "the inbox, of what is {what}");
        for failures in [Some(&failed(7)), None] {
            ensure!(!storage.parking.park(known, failures, future(-50)).await?, "what is {what} was parked");
        }
        for after in [AfterDeadLetter::Hold, AfterDeadLetter::Continue] {
            let buried = storage.parking.bury(known, DeathReason::Crashed, &failed(7), after).await?;
            ensure!(!buried, "what is {what} was buried");
        }
    }
    ensure_eq!(storage.parked().await?, before, "what is parked");
    ensure_eq!(storage.letters().await?, letters, "dead letters");
    ensure_eq!(storage.intake(&nth("taken", 2)).await?, Intake::New, "the next event of what was taken");
    ensure_eq!(storage.claims(-1).await?, vec![], "lanes that are due before their time");
    let other = to("another", (*taken.event).clone());
    storage.park(&other, None).await
}

async fn a_new_lane_is_due_when_it_says_and_keeps_its_time(storage: Storage) -> Checked {
    for (sequence, due) in [(1, 10), (2, 5), (3, 20)] {
        let parked = storage.parking.park(&nth("key", sequence), None, future(due)).await?;
        ensure!(parked, "event {sequence} was not parked");
    }
    ensure_eq!(storage.claims(9).await?, vec![], "lanes to be claimed before their time");
    storage.claim(10).await?;
    Ok(())
}

async fn what_failed_again_waits_with_all_behind_it(storage: Storage) -> Checked {
    storage.park_lane("key", 3).await?;
    let lane = storage.claim(0).await?;
    let before = storage.lane(&lane).await?;
    storage.parking.postpone(&lane, before[0].place, &failed(4), future(30)).await?;
    let first = ParkedEvent { failures: Some(failed(4)), ..before[0].clone() };
    let expected = vec![first, before[1].clone(), before[2].clone()];
    ensure_eq!(storage.parked().await?, expected, "what is parked");
    ensure_eq!(storage.parking.renew(std::slice::from_ref(&lane), future(99)).await?, vec![], "claims that are held");
    ensure_eq!(storage.claims(29).await?, vec![], "lanes to be claimed before their time");
    let again = storage.claim(30).await?;
    ensure!(again.epoch > lane.epoch, "the epoch did not rise: {} after {}", again.epoch, lane.epoch);
    ensure_eq!(storage.lane(&again).await?, expected, "the lane");
    Ok(())
}

async fn a_released_lane_is_due_at_once(storage: Storage) -> Checked {
    storage.park_lane("key", 2).await?;
    let lane = storage.claim(0).await?;
    let before = storage.lane(&lane).await?;
    storage.parking.release(&lane).await?;
    let again = storage.claim(0).await?;
    ensure!(again.epoch > lane.epoch, "the epoch did not rise: {} after {}", again.epoch, lane.epoch);
    ensure_eq!(storage.lane(&again).await?, before, "the lane");
    Ok(())
}

async fn the_next_due_lane_is_told(storage: Storage) -> Checked {
    let next = async || storage.parking.next_due(&[HANDLER, "another"]).await;
    ensure_eq!(next().await?, None, "when nothing is parked");
    for (key, due) in [("late", 30), ("early", 10)] {
        ensure!(storage.parking.park(&nth(key, 1), None, future(due)).await?, "{key} was not parked");
    }
    let foreign = to("foreign", event("key", 1));
    ensure!(storage.parking.park(&foreign, None, future(1)).await?, "it was not parked");
    ensure_eq!(next().await?, Some(future(10)), "of two lanes and a foreign one");
    ensure_eq!(storage.parking.next_due(&[]).await?, None, "of no handlers");
    let lane = storage.claim(10).await?;
    ensure_eq!(next().await?, Some(future(30)), "while the claim of the first goes on");
    let _late = storage.claim(30).await?;
    ensure_eq!(next().await?, Some(future(70)), "when the first claim runs out");
    storage.parking.release(&lane).await?;
    ensure!(next().await?.is_some_and(|due| due <= future(10)), "a lane that was given back can be claimed now");
    let lane = storage.claim(10).await?;
    storage.give_up(&lane, AfterDeadLetter::Hold).await?;
    ensure_eq!(next().await?, Some(future(90)), "when the first lane is held");
    Ok(())
}

async fn lists_are_filtered_and_paged_by_place(storage: Storage) -> Checked {
    for sequence in 1..=3 {
        for (handler, subject) in [("one", "a"), ("two", "a"), ("one", "b")] {
            let mut event = event(subject, sequence);
            event.name = if sequence == 2 { "thing.changed" } else { "thing.happened" }.into();
            storage.park(&to(handler, event), None).await?;
        }
    }
    let all = storage.parked().await?;
    ensure_eq!(all.len(), 9, "everything");
    ensure!(all.is_sorted_by(|a, b| a.place < b.place), "not in the order of places");
    let some = |text: &str| Some(text.to_owned());
    for filter in [
        ParkedFilter::default(),
        ParkedFilter { handler: some("one"), ..Default::default() },
        ParkedFilter { event: some("thing.changed"), ..Default::default() },
        ParkedFilter { subject: some("a"), ..Default::default() },
        ParkedFilter { handler: some("one"), event: some("thing.happened"), subject: some("b") },
        ParkedFilter { handler: some("three"), ..Default::default() },
        ParkedFilter { subject: some("%"), ..Default::default() },
    ] {
        let wanted = |parked: &&ParkedEvent| {
            filter.handler.as_ref().is_none_or(|handler| *handler == parked.addressed.handler)
                && filter.event.as_ref().is_none_or(|name| *name == parked.addressed.event.name)
                && filter.subject.as_ref().is_none_or(|subject| *subject == parked.addressed.event.subject)
        };
        let expected: Vec<ParkedEvent> = all.iter().filter(wanted).cloned().collect();
        for limit in [1, 2, 3, 100] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = storage.parking.list(&filter, after, limit).await?;
                ensure!(page.items.len() <= limit as usize, "a page of {limit} holds {}", page.items.len());
                found.extend(page.items);
                after = page.next;
                if after.is_none() {
                    break;
                }
                ensure!(found.len() < expected.len(), "a page follows the last, for {filter:?} by {limit}");
            }
            ensure_eq!(found, expected, "pages of {limit} of {filter:?}");
        }
    }
    Ok(())
}

async fn depth_counts_events_and_held_lanes(storage: Storage) -> Checked {
    ensure_eq!(storage.parking.depth().await?, ParkingDepth::default(), "nothing");
    storage.park_lane("a", 3).await?;
    storage.park_lane("b", 2).await?;
    for key in ["c", "d"] {
        storage.bury(&nth(key, 1), AfterDeadLetter::Hold).await?;
    }
    storage.bury(&nth("e", 1), AfterDeadLetter::Continue).await?;
    ensure_eq!(storage.parking.depth().await?, ParkingDepth { events: 5, held_lanes: 2 }, "two lanes and two held");
    Ok(())
}
