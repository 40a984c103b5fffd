//! What chooses among failed events, as it is typed on the command line and sent over HTTP: the same rules for both.

use activelog_application::ports::{DeadLetterState, DeathReason};
use activelog_domain::activity::Activity;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use uuid::Uuid;

/// The longest name of a handler, an event or a subject, in bytes.
const NAME_MAX: usize = 300;

/// What a broken name is told.
pub(crate) const NAME_RULE: &str = "must be 1 to 300 bytes without control characters";

/// What a broken instant is told.
pub(crate) const INSTANT_RULE: &str = "must be an RFC 3339 instant (2026-03-12T18:00:00Z) or a date (2026-03-12)";

/// What a broken state is told.
pub(crate) const STATE_RULE: &str = "must be dead, replaying, replayed or discarded";

/// What a broken reason is told.
pub(crate) const REASON_RULE: &str = "must be exhausted, permanent, undecodable or crashed";

/// The name of a handler or an event.
pub(crate) fn name(text: &str) -> Option<String> {
    let plain = (1..=NAME_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    plain.then(|| text.to_owned())
}

/// An event's subject. The bare id of an activity means that activity.
pub(crate) fn subject(text: &str) -> Option<String> {
    const HYPHENATED: usize = 36;
    let id = (text.len() == HYPHENATED).then(|| Uuid::try_parse(text).ok()).flatten();
    id.map(Activity::subject).or_else(|| name(text))
}

/// An instant, or a day, which means its midnight in UTC.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    // Years beyond four digits are no RFC 3339, and beyond what databases can hold.
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().or_else(|| date(text)?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp()))
}

/// A calendar date, and nothing after it.
pub(crate) fn date(text: &str) -> Option<Date> {
    (text.len() == "2026-03-12".len()).then(|| text.parse().ok()).flatten()
}

/// A state of dead letters.
pub(crate) fn state(text: &str) -> Option<DeadLetterState> {
    DeadLetterState::parse(text)
}

/// A reason of deaths.
pub(crate) fn reason(text: &str) -> Option<DeathReason> {
    DeathReason::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_id_means_the_activity() {
        let id = "01929d5e-0000-7000-8000-000000000001";
        let whole = format!("activity-{id}");
        assert_eq!(subject(id).as_ref(), Some(&whole));
        assert_eq!(subject(&whole).as_ref(), Some(&whole));
        assert_eq!(subject("webhook-7").as_deref(), Some("webhook-7"));
        for bad in ["", "two\nlines", "nul\0", &"x".repeat(301)] {
            assert_eq!(subject(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn instants_are_rfc_3339_or_days() {
        let read = |text: &str| instant(text).map(|at| at.to_string());
        assert_eq!(read("2026-03-12").as_deref(), Some("2026-03-12T00:00:00Z"));
        assert_eq!(read("2026-03-12T19:00:00+01:00").as_deref(), Some("2026-03-12T18:00:00Z"));
        for bad in ["", "yesterday", "2026-02-30", "2026-03-12T18:00:00", "-009999-01-02T00:00:00Z", "20260312"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_rules_name_every_word() {
        assert!(DeadLetterState::ALL.iter().all(|known| STATE_RULE.contains(known.as_str())));
        assert!(DeathReason::ALL.iter().all(|known| REASON_RULE.contains(known.as_str())));
    }
}
