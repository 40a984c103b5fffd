//! How both databases write down what has failed.

use std::borrow::Cow;

use activelog_application::ports::{
    DeadLetterState, Death, DeathReason, ERROR_TEXT_MAX, Failures, Listed, PARKING_PAGE_MAX,
};
use jiff::Timestamp;
use serde::Deserialize;

/// The name a reason is stored by. Part of the stored format.
pub(super) const fn reason_name(reason: DeathReason) -> &'static str {
    match reason {
        DeathReason::Exhausted => "exhausted",
        DeathReason::Permanent => "permanent",
        DeathReason::Undecodable => "undecodable",
        DeathReason::Crashed => "crashed",
    }
}

/// The reason that is stored by this name.
pub(super) fn reason_named(name: &str) -> Result<DeathReason, String> {
    use DeathReason::{Crashed, Exhausted, Permanent, Undecodable};
    let reasons = [Exhausted, Permanent, Undecodable, Crashed];
    reasons
        .into_iter()
        .find(|reason| reason_name(*reason) == name)
        .ok_or_else(|| format!("unknown reason of death {name:?}"))
}

/// The name a state is stored by. Part of the stored format.
pub(super) const fn state_name(state: DeadLetterState) -> &'static str {
    match state {
        DeadLetterState::Dead => "dead",
        DeadLetterState::Replaying => "replaying",
        DeadLetterState::Replayed => "replayed",
        DeadLetterState::Discarded => "discarded",
    }
}

/// The state that is stored by this name.
pub(super) fn state_named(name: &str) -> Result<DeadLetterState, String> {
    use DeadLetterState::{Dead, Discarded, Replayed, Replaying};
    let states = [Dead, Replaying, Replayed, Discarded];
    states
        .into_iter()
        .find(|state| state_name(*state) == name)
        .ok_or_else(|| format!("unknown state of a dead letter {name:?}"))
}

/// An error's text as it is stored: what is longer than [`ERROR_TEXT_MAX`] is cut, and NUL, which PostgreSQL's text cannot hold, is
/// replaced. An event must not fail to be parked because of what its handler said.
pub(super) fn stored_error(error: &str) -> Cow<'_, str> {
    let cut = |text: &str| text.floor_char_boundary(ERROR_TEXT_MAX);
    if error.contains('\0') {
        let mut replaced = error.replace('\0', "\u{fffd}");
        replaced.truncate(cut(&replaced));
        return Cow::Owned(replaced);
    }
    Cow::Borrowed(error.get(..cut(error)).unwrap_or_default())
}

/// How many events or dead letters to read at most.
pub(super) fn page_size(limit: u32) -> u32 {
    limit.min(PARKING_PAGE_MAX)
}

/// The page of `limit` in a list that was read one further than that. Pages continue at the `key` of their last item.
pub(super) fn listed<T>(mut items: Vec<T>, limit: u32, key: impl Fn(&T) -> i64) -> Listed<T> {
    let limit = usize::try_from(page_size(limit)).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(key);
    Listed { items, next }
}

/// An earlier death as it is stored in a JSON array. `T` is how the database writes an instant in JSON.
#[derive(Deserialize)]
pub(super) struct StoredDeath<T> {
    reason: String,
    attempts: u32,
    first_at: T,
    last_at: T,
    error: String,
}

impl<T> StoredDeath<T> {
    /// The death that is meant; `instant` reads the database's instants.
    pub(super) fn read(self, instant: impl Fn(T) -> Result<Timestamp, String>) -> Result<Death, String> {
        Ok(Death {
            reason: reason_named(&self.reason)?,
            failures: Failures {
                attempts: self.attempts,
                first_at: instant(self.first_at)?,
                last_at: instant(self.last_at)?,
                error: self.error,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_what_they_were_written_for() {
        use DeathReason::{Crashed, Exhausted, Permanent, Undecodable};
        for reason in [Exhausted, Permanent, Undecodable, Crashed] {
            assert_eq!(reason_named(reason_name(reason)), Ok(reason));
        }
        use DeadLetterState::{Dead, Discarded, Replayed, Replaying};
        for state in [Dead, Replaying, Replayed, Discarded] {
            assert_eq!(state_named(state_name(state)), Ok(state));
        }
        assert!(reason_named("tired").is_err() && state_named("undead").is_err());
    }

    #[test]
    fn the_text_of_an_error_is_cut_at_a_character_and_holds_no_nul() {
        assert_eq!(stored_error("no route to host"), "no route to host");
        let long = "é".repeat(ERROR_TEXT_MAX);
        assert_eq!(stored_error(&long).len(), ERROR_TEXT_MAX);
        let odd = format!("x{long}");
        assert_eq!(stored_error(&odd).len(), ERROR_TEXT_MAX - 1);
        assert_eq!(stored_error("a\0b"), "a\u{fffd}b");
        assert!(stored_error(&"\0".repeat(ERROR_TEXT_MAX)).len() <= ERROR_TEXT_MAX);
    }

    #[test]
    fn a_page_says_where_the_next_begins_when_there_is_more() {
        let page = |read: &[i64], limit| listed(read.to_vec(), limit, |n| *n);
        assert_eq!(page(&[1, 2, 3], 2), Listed { items: vec![1, 2], next: Some(2) });
        assert_eq!(page(&[1, 2], 2), Listed { items: vec![1, 2], next: None });
        assert_eq!(page(&[], 2), Listed { items: vec![], next: None });
        assert_eq!(page(&[1], 0), Listed { items: vec![], next: None });
    }
}
