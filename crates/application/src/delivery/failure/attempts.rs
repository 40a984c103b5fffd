use std::error::Error;

use jiff::Timestamp;

use crate::{
    delivery::InvocationError,
    ports::{ERROR_TEXT_MAX, Failures},
};

/// The failures so far and one more.
pub(super) fn one_more(before: Option<Failures>, error: &InvocationError, now: Timestamp) -> Failures {
    let error = error_chain(error);
    match before {
        Some(before) => Failures { attempts: before.attempts.saturating_add(1), last_at: now, error, ..before },
        None => Failures { attempts: 1, first_at: now, last_at: now, error },
    }
}

/// An error with its causes, outermost first. A cause whose text its effect ends with already is not told twice.
fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        if text.len() > ERROR_TEXT_MAX {
            break;
        }
        cause = error.source();
    }
    text.truncate(text.floor_char_boundary(ERROR_TEXT_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layered {
        text: String,
        source: Option<Box<Layered>>,
    }

    fn failed(texts: &[&str]) -> InvocationError {
        let chain = texts.iter().rev().fold(None, |source: Option<Layered>, text| {
            Some(Layered { text: (*text).to_owned(), source: source.map(Box::new) })
        });
        InvocationError::Failed(chain.map_or_else(|| "nothing".into(), Into::into))
    }

    #[test]
    fn causes_follow_their_effects_once() {
        assert_eq!(
            error_chain(&failed(&["cannot send: timed out", "timed out", "os error 110"])),
            "cannot send: timed out: os error 110"
        );
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let text = error_chain(&failed(&[&"é".repeat(ERROR_TEXT_MAX)]));
        assert!(text.len() <= ERROR_TEXT_MAX && text.len() > ERROR_TEXT_MAX - 4, "{}", text.len());
    }

    #[test]
    fn the_first_time_is_kept_and_the_last_error_told() {
        let at = |second| Timestamp::from_second(second).unwrap_or_default();
        let first = one_more(None, &failed(&["one"]), at(1));
        let second = one_more(Some(first), &failed(&["two"]), at(2));
        assert_eq!(second, Failures { attempts: 2, first_at: at(1), last_at: at(2), error: "two".to_owned() });
    }
}
