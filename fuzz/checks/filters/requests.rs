use std::collections::BTreeSet;

use activelog_application::ports::{DeadLetter, DeadLetterState};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Map, Value};
use url::form_urlencoded;
use uuid::Uuid;

use super::site::{self, Answer, Site};

/// The largest refusal, in bytes, whatever was asked.
const REFUSAL_MAX: usize = 32 * 1_024;

/// How many pages a list of the site may have.
const PAGES_MAX: usize = 60;

/// A request that reads.
pub(super) fn read(path: &str) {
    // A fragment is no part of a request.
    let path = path.split('#').next().unwrap_or_default();
    site::with(|site| {
        let Some(answer) = site.send("GET", path, "") else { return };
        answered(&answer, path);
        if answer.status != 200 {
            return;
        }
        if let Some(query) = path.strip_prefix("/dead-letters?") {
            letters_are_those_asked_for(site, &answer.body, query);
        }
        // Some answers stay the same whatever is asked; the list goes on all the same.
        if let Some((list, query)) = path.split_once('?') {
            goes_on_to_its_end(site, list, query, &answer.body);
        }
    });
}

/// A request that does something about dead letters.
pub(super) fn act(path: &str, body: &str) {
    if !matches!(path, "/dead-letters/replay" | "/dead-letters/discard") {
        return;
    }
    site::with(|site| {
        let Some(answer) = site.send("POST", path, body) else { return };
        let acted_on = site.letters.acted_on();
        answered(&answer, body);
        if answer.status != 200 {
            assert!(acted_on.is_empty(), "{} and yet {acted_on:?}", answer.status);
            return;
        }
        let asked: Value = serde_json::from_str(body).expect("JSON, as it was accepted");
        let asked = asked.as_object().expect("an object, as it was accepted");
        let chosen = site.letters.that(|letter| letter.state == DeadLetterState::Dead && chooses(asked, letter));
        only_what_was_asked_for(asked, &answer.body, &chosen, &acted_on);
    });
}

fn answered(answer: &Answer, asked: &str) {
    let Answer { status, body, length } = answer;
    assert!(*status < 500, "{status} to {asked:?}: {body}");
    if *status >= 400 {
        assert!(*length <= REFUSAL_MAX, "{length} bytes to {asked:?}");
        assert_eq!(body["status"], *status, "{body}");
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
    }
}

fn only_what_was_asked_for(asked: &Map<String, Value>, told: &Value, chosen: &[i64], acted_on: &[i64]) {
    const CONDITIONS: [&str; 6] = ["handler", "event", "subject", "reason", "from", "to"];
    let conditions = CONDITIONS.iter().filter(|name| asked.contains_key(**name)).count();
    let all = asked.get("all") == Some(&Value::Bool(true));
    assert!(all != (conditions > 0), "all is {all} beside {conditions} conditions");
    let dry_run = asked.get("dry_run") == Some(&Value::Bool(true));
    let limit = asked.get("limit").map_or(1_000, |limit| limit.as_f64().expect("a number") as usize);
    assert!(acted_on.len() <= limit, "{limit} wanted, {acted_on:?} taken");
    assert!(acted_on.iter().all(|id| chosen.contains(id)), "{acted_on:?} of {chosen:?}");
    assert!(!dry_run || acted_on.is_empty(), "{acted_on:?} in a dry run");
    if !asked.contains_key("cursor") {
        assert_eq!(told["matched"], chosen.len(), "{chosen:?}");
        let expected = if dry_run { &[][..] } else { &chosen[..limit.min(chosen.len())] };
        assert_eq!(acted_on, expected);
    }
    assert_eq!(told["done"], acted_on.len());
}

/// Whether every condition of a body holds for a letter.
fn chooses(asked: &Map<String, Value>, letter: &DeadLetter) -> bool {
    let text = |name: &str| asked.get(name).map(|value| value.as_str().expect("a string, as it was accepted"));
    meets(letter, text)
}

fn meets<'a>(letter: &DeadLetter, asked: impl Fn(&str) -> Option<&'a str>) -> bool {
    let event = &letter.addressed.event;
    asked("handler").is_none_or(|handler| handler == letter.addressed.handler)
        && asked("event").is_none_or(|name| name == event.name)
        && asked("subject").is_none_or(|subject| is_subject(subject, &event.subject))
        && asked("reason").is_none_or(|reason| reason == letter.death.reason.as_str())
        && asked("from").is_none_or(|from| letter.died_at >= instant(from))
        && asked("to").is_none_or(|to| letter.died_at < instant(to))
}

fn is_subject(asked: &str, subject: &str) -> bool {
    let id = |text: &str| Uuid::try_parse(text).ok();
    asked == subject || (asked.len() == 36 && id(asked).is_some() && id(asked) == subject.get(9..).and_then(id))
}

/// An instant, which an accepted one has to be: with its offset, or a day.
fn instant(text: &str) -> Timestamp {
    let text = text.replace(' ', "+");
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    match (text.len(), text.parse::<Timestamp>()) {
        (10, Err(_)) => day().expect("a day, as it was accepted").timestamp(),
        (_, parsed) => parsed.expect("an instant, as it was accepted"),
    }
}

fn letters_are_those_asked_for(site: &Site, page: &Value, query: &str) {
    const KNOWN: [&str; 9] = ["handler", "event", "subject", "reason", "state", "from", "to", "cursor", "limit"];
    let given: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let asked = |name: &str| given.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    for (name, value) in &given {
        assert!(KNOWN.contains(&name.as_str()) && !value.is_empty(), "{name:?}={value:?} was accepted");
        assert_eq!(given.iter().filter(|(given, _)| given == name).count(), 1, "{name} was accepted twice");
    }
    let limit: usize = asked("limit").map_or(50, |limit| limit.parse().expect("a number, as it was accepted"));
    let mut expected = site
        .letters
        .that(|letter| asked("state").is_none_or(|state| state == letter.state.as_str()) && meets(letter, asked));
    expected.reverse();
    let shown: Vec<i64> = ids(page).into_iter().map(|id| id.parse().expect("a number")).collect();
    assert!(shown.len() <= limit && limit <= 200, "{} of {limit}", shown.len());
    if asked("cursor").is_some() {
        assert!(shown.iter().all(|id| expected.contains(id)), "{shown:?} of {expected:?}");
    } else {
        assert_eq!(shown, expected[..limit.min(expected.len())]);
    }
}

/// What tells the items of a page apart, where something does.
fn ids(page: &Value) -> Vec<String> {
    let id = |item: &Value| ["id", "place", "event_id"].iter().find_map(|name| item.get(*name)).map(Value::to_string);
    page["items"].as_array().into_iter().flatten().filter_map(id).collect()
}

/// The cursor of every page is taken, none of its items comes twice, and there is a last page.
fn goes_on_to_its_end(site: &Site, list: &str, query: &str, first: &Value) {
    let mut seen: BTreeSet<String> = ids(first).into_iter().collect();
    let mut next = first["next_cursor"].as_str().map(str::to_owned);
    let mut pages = 1;
    while let Some(cursor) = next {
        let others = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "cursor");
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(others)
            .append_pair("cursor", &cursor)
            .finish();
        let page = site.send("GET", &format!("{list}?{query}"), "").expect("a path");
        assert_eq!(page.status, 200, "{list}?{query}: {}", page.body);
        for id in ids(&page.body) {
            assert!(seen.insert(id.clone()), "{id} comes twice in {list}?{query}");
        }
        next = page.body["next_cursor"].as_str().map(str::to_owned);
        pages += 1;
        assert!(pages <= PAGES_MAX, "{list}?{query} does not end");
    }
}
