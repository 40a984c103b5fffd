//! The judge judged: what is right is accepted, and whatever is changed in it is refused.

use uuid::Uuid;

use super::{Dead, Evidence, LedgerLine, Published, Stored, effects, judge};
use crate::log::{Change, ClientLog, Life, Outcome, Request, Temper};

/// Two activities that are as they should be, one that was deleted, and one whose handler refuses it.
fn honest() -> Evidence {
    let mut evidence = Evidence::default();
    for (n, temper, changes) in [
        (1_u128, Temper::Good, vec![Change::Create(10), Change::Patch(20), Change::Patch(30)]),
        (2, Temper::Slow, vec![Change::Create(11)]),
        (3, Temper::Good, vec![Change::Create(12), Change::Delete]),
        (4, Temper::Poison, vec![Change::Create(13), Change::Patch(14)]),
    ] {
        add(&mut evidence, n, temper, &changes);
    }
    let journalled = evidence.journal.len() as u64;
    evidence.taken = effects::PROJECTING.iter().map(|name| ((*name).to_owned(), journalled)).collect();
    evidence.notifications = 4;
    evidence
}

fn add(evidence: &mut Evidence, n: u128, temper: Temper, changes: &[Change]) {
    let (id, title, subject) = (Uuid::from_u128(n), format!("{}{n}", temper.prefix()), format!("activity-{n}"));
    let mut state = None;
    for (sequence, change) in (1..).zip(changes) {
        let (name, after) = match change {
            Change::Create(minutes) => ("activity.created", Some(*minutes)),
            Change::Patch(minutes) => ("activity.updated", Some(*minutes)),
            Change::Delete => ("activity.deleted", None),
        };
        state = after.map(|minutes| (sequence, minutes));
        let event_id = Uuid::from_u128(n * 100 + u128::from(sequence));
        let (name, subject, title) = (name.to_owned(), subject.clone(), title.clone());
        let position = evidence.journal.len() as u64 + 1;
        evidence.journal.push(Published { partition: 0, position, event_id, name, subject, sequence, title });
        if temper.is_deadly() {
            evidence.dead.push(Dead { handler: effects::LEDGER.to_owned(), event_id });
        } else {
            let (number, saw) = (i64::try_from(position).expect("few"), sequence.checked_sub(1).filter(|saw| *saw > 0));
            evidence.ledger.push(LedgerLine { number, event_id, subject: format!("activity-{n}"), sequence, saw });
        }
    }
    if let Some((version, minutes)) = state {
        evidence.activities.push(Stored { id, title: title.clone(), version, minutes });
    }
    let requests = changes.iter().map(|change| Request { change: *change, outcome: Outcome::Acknowledged }).collect();
    evidence.log.lives.push(Life { title, temper, id: Some(id), requests });
}

/// What was changed, how, and in which of lost, doubled, reordered and other it has to show.
type Doctored = (&'static str, fn(&mut Evidence), usize);

const DOCTORED: &[Doctored] = &[
    ("a lost effect", |e| drop(e.ledger.remove(1)), 0),
    ("the last effect lost", |e| drop(e.ledger.pop()), 0),
    ("a doubled effect", |e| e.ledger.insert(1, LedgerLine { number: 100, ..e.ledger[0].clone() }), 1),
    (
        "a doubled effect at the end",
        |e| {
            let last = LedgerLine { number: 100, ..e.ledger[e.ledger.len() - 1].clone() };
            e.ledger.push(last);
        },
        1,
    ),
    (
        "swapped effects",
        |e| {
            let (first, second) = (e.ledger[0].number, e.ledger[1].number);
            (e.ledger[0].number, e.ledger[1].number) = (second, first);
        },
        2,
    ),
    ("an effect that did not see the one before", |e| e.ledger[1].saw = None, 2),
    ("an effect of nothing", |e| e.ledger[0].event_id = Uuid::from_u128(7), 3),
    ("a lost activity", |e| drop(e.activities.remove(0)), 0),
    ("a lost change", |e| (e.activities[0].version, e.activities[0].minutes) = (2, 20), 0),
    ("a change that nobody asked for", |e| e.activities[0].minutes = 99, 0),
    (
        "an activity twice",
        |e| {
            let again = Stored { id: Uuid::from_u128(9), ..e.activities[0].clone() };
            e.activities.push(again);
        },
        1,
    ),
    ("an activity without its request", |e| drop(e.log.lives.remove(1)), 3),
    ("an event lost", |e| drop(e.journal.remove(1)), 0),
    ("events swapped", |e| (e.journal[0].sequence, e.journal[1].sequence) = (2, 1), 2),
    (
        "a deletion undone",
        |e| {
            let back = Stored { id: Uuid::from_u128(3), title: "3".to_owned(), version: 1, minutes: 12 };
            e.activities.push(back);
        },
        0,
    ),
    (
        "an innocent event dead",
        |e| {
            let event_id = e.journal[3].event_id;
            e.dead.push(Dead { handler: effects::LEDGER.to_owned(), event_id });
        },
        3,
    ),
    (
        "another handler's dead letter",
        |e| {
            let event_id = e.journal[3].event_id;
            e.dead.push(Dead { handler: "leaderboard".to_owned(), event_id });
        },
        3,
    ),
    ("a poisonous event not dead", |e| e.dead.clear(), 3),
    ("a poisonous event parked for ever", |e| e.parked.append(&mut e.dead), 3),
    ("a handler that has not taken an event", |e| e.taken[0].1 -= 1, 0),
    ("a notification lost", |e| e.notifications -= 1, 3),
    ("a projection that differs", |e| e.projections = Some("totals".to_owned()), 3),
    ("a wrong answer", |e| e.log.wrong_answers.push("412".to_owned()), 3),
];

/// The evidence that nothing was done to is accepted.
pub(crate) fn what_is_right_is_accepted() {
    let verdict = judge(&honest());
    assert!(verdict.is_good(), "{}", verdict.report());
    let mut held = honest();
    let last = held.dead.pop().expect("two");
    held.parked.push(last);
    assert!(judge(&held).is_good(), "held behind the dead one: {}", judge(&held).report());
    let mut nothing = honest();
    nothing.log.lives.push(Life {
        title: "5".to_owned(),
        temper: Temper::Good,
        id: None,
        requests: unknown(Change::Create(1)),
    });
    assert!(judge(&nothing).is_good(), "unknown and not there: {}", judge(&nothing).report());
    let mut there = honest();
    there.log.lives[0].requests[2].outcome = Outcome::Unknown;
    assert!(judge(&there).is_good(), "unknown and there: {}", judge(&there).report());
}

/// A request whose outcome is unknown may not be there by half.
pub(crate) fn halves_are_refused() {
    let mut half = honest();
    half.log.lives[0].requests[2].outcome = Outcome::Unknown;
    (half.activities[0].version, half.activities[0].minutes) = (2, 20);
    assert!(!judge(&half).lost.is_empty(), "the row is of before, the event is there");
    let mut half = honest();
    half.log.lives.push(Life {
        title: "5".to_owned(),
        temper: Temper::Good,
        id: None,
        requests: unknown(Change::Create(1)),
    });
    half.activities.push(Stored { id: Uuid::from_u128(5), title: "5".to_owned(), version: 1, minutes: 1 });
    assert!(!judge(&half).lost.is_empty(), "the row is there, the event is not");
}

fn unknown(change: Change) -> Vec<Request> {
    vec![Request { change, outcome: Outcome::Unknown }]
}

/// Every change to the evidence is noticed, as what it is.
pub(crate) fn what_is_doctored_is_refused() {
    for (what, doctor, kind) in DOCTORED {
        let mut evidence = honest();
        doctor(&mut evidence);
        let verdict = judge(&evidence);
        let kinds = [&verdict.lost, &verdict.doubled, &verdict.reordered, &verdict.other];
        assert!(!kinds[*kind].is_empty(), "{what} is not noticed: {verdict:?}");
    }
    let empty =
        Evidence { log: ClientLog { lives: honest().log.lives, ..ClientLog::default() }, ..Evidence::default() };
    assert!(!judge(&empty).is_good(), "an empty database is not noticed");
}
