use std::convert::Infallible;

use activelog_application::activity::ports::KeysetPage;
use activelog_domain::{activity::ActivityType, statistics::Period};
use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use crate::{
    http::{
        broken_rules::BrokenRules,
        cursor::{self, List},
        problem::{Problem, ProblemField, shown},
    },
    selection,
};

/// How many items a page has unless the request says.
pub(in crate::http) const LIMIT_DEFAULT: u32 = 50;

/// The most items of a page.
pub(in crate::http) const LIMIT_MAX: u32 = 200;

/// The parameters of a query, taken one by one. What is left over at the end is unknown; everything wrong is told at once. An
/// empty value is refused: a script whose variable is not set would otherwise be answered with everything.
pub(in crate::http) struct Params {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: BrokenRules,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let given = Query::try_from_uri(&parts.uri).map(|Query(pairs)| pairs).unwrap_or_default();
        Ok(Self { given, known: Vec::new(), errors: BrokenRules::default() })
    }
}

impl Params {
    /// A parameter, read by `read`, which answers `None` for what breaks `rule`.
    pub(in crate::http) fn take<T>(
        &mut self,
        name: &'static str,
        rule: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.known.push(name);
        let index = self.given.iter().position(|(given, _)| given == name)?;
        let (_, value) = self.given.remove(index);
        if self.given.iter().any(|(given, _)| given == name) {
            self.given.retain(|(given, _)| given != name);
            self.refuse(name, "must not be given twice", &value);
            return None;
        }
        if value.is_empty() {
            self.refuse(name, "must not be empty; leave it out instead", &value);
            return None;
        }
        let read = read(&value);
        if read.is_none() {
            self.refuse(name, rule, &value);
        }
        read
    }

    /// Notes that `name` breaks `rule`.
    pub(in crate::http) fn refuse(&mut self, name: &'static str, rule: &str, value: &str) {
        self.errors.note(|| ProblemField::new(name, rule, Some(value)));
    }

    /// Fails with what is wrong, unknown parameters included.
    pub(in crate::http) fn finish(mut self) -> Result<(), Problem> {
        for (name, value) in self.given {
            self.errors.note(|| ProblemField::new(shown(&name), "is not known here", Some(&value)));
            self.errors.hint(|| match &*self.known {
                [] => "This takes no parameters.".to_owned(),
                known => format!("Known are {}.", known.join(", ")),
            });
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::parameters(self.errors)) }
    }

    pub(in crate::http) fn uuid(&mut self, name: &'static str) -> Option<Uuid> {
        self.take(name, UUID_RULE, parse_uuid)
    }

    /// An instant, or a day, which means its midnight in UTC.
    pub(in crate::http) fn instant(&mut self, name: &'static str) -> Option<Timestamp> {
        self.take(name, selection::INSTANT_RULE, |text| {
            // A plus that was not encoded arrives as a space.
            selection::instant(text).or_else(|| selection::instant(&text.replace(' ', "+")))
        })
    }

    pub(in crate::http) fn date(&mut self, name: &'static str) -> Option<Date> {
        self.take(name, "must be a date (2026-03-12)", selection::date)
    }

    pub(in crate::http) fn activity_type(&mut self) -> Option<ActivityType> {
        let rule = "must be a letter followed by letters, digits, spaces or hyphens, at most 40";
        self.take("type", rule, |text| ActivityType::new(text).ok())
    }

    pub(in crate::http) fn period(&mut self) -> Option<Period> {
        self.take("period", "must be week or month", Period::parse)
    }

    /// How many items the page has.
    pub(in crate::http) fn limit(&mut self) -> u32 {
        let rule = format!("must be 1 to {LIMIT_MAX}");
        let read = |text: &str| text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        self.take("limit", &rule, read).unwrap_or(LIMIT_DEFAULT)
    }

    /// The page of a list by time and id. It asks for one item more than is shown, which tells whether there are more.
    pub(in crate::http) fn keyset(&mut self, list: List) -> KeysetPage {
        let after = self.take("cursor", cursor::RULE, |text| cursor::parse_keyset(list, text));
        KeysetPage { after, limit: self.limit() + 1 }
    }
}

/// What a broken id is told.
pub(super) const UUID_RULE: &str = "must be a UUID (01929d5e-0000-7000-8000-000000000001)";

/// A UUID in its one usual form.
pub(in crate::http) fn parse_uuid(text: &str) -> Option<Uuid> {
    const HYPHENATED: usize = 36;
    (text.len() == HYPHENATED).then(|| Uuid::try_parse(text).ok()).flatten()
}
