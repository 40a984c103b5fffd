//! Which dead letters a request over many means.

use activelog_application::{
    failures::{BulkOptions, BulkPoint},
    ports::DeadLetterFilter,
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    http::{
        cursor,
        json_object::{Fields, Given},
        problem::{Problem, ProblemField},
    },
    selection,
};

/// The most dead letters of one request.
const AT_MOST: u64 = 1_000;

const FIELDS: &[&str] = &["handler", "event", "subject", "reason", "from", "to", "all", "dry_run", "limit", "cursor"];

/// What the operation decides: only what is dead can be acted on.
const DECIDED: &[&str] = &["state"];

/// Which dead letters, and how far to go.
pub(super) struct Choice {
    pub(super) filter: DeadLetterFilter,
    pub(super) options: BulkOptions,
}

impl Choice {
    /// Reads a body, or says everything that is wrong with it.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut given = Fields::parse(body, FIELDS, DECIDED)?;
        // Null is no way to leave a condition out: a script whose variable is not set would choose everything.
        let filter = DeadLetterFilter {
            handler: given.change("handler", |g| text(g, selection::NAME_RULE, selection::name)),
            event: given.change("event", |g| text(g, selection::NAME_RULE, selection::name)),
            subject: given.change("subject", |g| text(g, selection::NAME_RULE, selection::subject)),
            reason: given.change("reason", |g| text(g, selection::REASON_RULE, selection::reason)),
            state: None,
            from: given.change("from", |g| text(g, selection::INSTANT_RULE, selection::instant)),
            to: given.change("to", |g| text(g, selection::INSTANT_RULE, selection::instant)),
        };
        let all = given.change("all", Given::boolean).unwrap_or(false);
        let dry_run = given.change("dry_run", Given::boolean).unwrap_or(false);
        let at_most = given.change("limit", limit).unwrap_or(AT_MOST);
        let resume: Option<BulkPoint> = given.change("cursor", |g| text(g, cursor::RULE, cursor::parse_bulk));
        let named = filter != DeadLetterFilter::default();
        if named == all && given.is_valid() {
            let rule = match all {
                true => "must not be true beside a filter: leave one of them out",
                false => {
                    "must be true to mean every dead letter; or give a filter: handler, event, subject, reason, from or to"
                }
            };
            given.refuse(ProblemField::new("all", rule, Some(if all { "true" } else { "false" })));
        }
        if let (Some(from), Some(to)) = (filter.from, filter.to)
            && from > to
        {
            given.refuse(ProblemField::new("from", "must not be after to", Some(&from.to_string())));
        }
        given.finish()?;
        Ok(Self { filter, options: BulkOptions { dry_run, at_most, within: None, resume } })
    }
}

fn text<T>(given: Given<'_>, rule: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, ProblemField> {
    read(&given.string()?).ok_or_else(|| given.refuse(rule))
}

fn limit(given: Given<'_>) -> Result<u64, ProblemField> {
    let limit = u64::try_from(given.integer()?).ok().filter(|limit| (1..=AT_MOST).contains(limit));
    limit.ok_or_else(|| given.refuse(format!("must be 1 to {AT_MOST}")))
}

/// Which dead letters: those that every given condition holds for. Fields not listed here are refused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadLetterChoice, example = json!({ "handler": "period-statistics", "from": "2026-03-12", "dry_run": true }))]
#[expect(dead_code, reason = "describes what is read field by field, so that every error can be told at once")]
pub(super) struct ChoiceBody {
    /// Whose.
    #[schema(min_length = 1, max_length = 300, nullable = false)]
    handler: Option<String>,
    /// Which type of event.
    #[schema(min_length = 1, max_length = 300, nullable = false)]
    event: Option<String>,
    /// Of which aggregate; the id of an activity will do.
    #[schema(min_length = 1, max_length = 300, nullable = false)]
    subject: Option<String>,
    /// Why it died last: `exhausted`, `permanent`, `undecodable` or `crashed`.
    #[schema(nullable = false)]
    reason: Option<String>,
    /// Died last at this instant or day, or later.
    #[schema(nullable = false)]
    from: Option<String>,
    /// Died last before this instant or day: exclusive.
    #[schema(nullable = false)]
    to: Option<String>,
    /// Every dead letter there is; instead of a filter.
    #[schema(nullable = false)]
    all: Option<bool>,
    /// Only say how many, and show the first.
    #[schema(nullable = false)]
    dry_run: Option<bool>,
    /// How many this request looks at, at most.
    #[schema(minimum = 1, maximum = 1000, default = 1000, nullable = false)]
    limit: Option<u32>,
    /// The `next_cursor` of the request before, whose filter has to be the same.
    #[schema(nullable = false)]
    cursor: Option<String>,
}
