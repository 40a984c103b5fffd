use activelog_domain::{
    activity::{ActivityCreated, ActivityDeleted, ActivityUpdated},
    event::DomainEvent,
    validation::FieldError,
};

use crate::ports::EventPattern;

const FIELD: &str = "events";

/// The events that webhooks can be told of.
const OFFERED: [&str; 3] = [ActivityCreated::NAME, ActivityUpdated::NAME, ActivityDeleted::NAME];

/// Which events a webhook wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEvents(Vec<EventPattern>);

impl WebhookEvents {
    /// The most patterns.
    pub const MAX: usize = 10;

    /// 1 to 10 patterns, each of which matches an event that there is. What is there twice counts once.
    pub fn new<T: AsRef<str>>(patterns: &[T]) -> Result<Self, FieldError> {
        let refuse = |rule: String, value: &str| FieldError::new(FIELD, rule, value);
        if patterns.is_empty() || patterns.len() > Self::MAX {
            return Err(refuse(format!("must be 1 to {} event patterns", Self::MAX), &patterns.len().to_string()));
        }
        let mut events = Vec::with_capacity(patterns.len());
        for text in patterns.iter().map(AsRef::as_ref) {
            let rule = "must be patterns such as activity.created, activity.* or #";
            let pattern: EventPattern = text.parse().map_err(|_| refuse(rule.to_owned(), text))?;
            if !OFFERED.iter().any(|name| pattern.matches(name)) {
                return Err(refuse(format!("must each match one of {}", OFFERED.join(", ")), text));
            }
            if !events.contains(&pattern) {
                events.push(pattern);
            }
        }
        Ok(Self(events))
    }

    /// Patterns that were checked before they were stored, perhaps when there were other events.
    pub fn stored(patterns: Vec<EventPattern>) -> Self {
        Self(patterns)
    }

    /// The patterns.
    pub fn patterns(&self) -> &[EventPattern] {
        &self.0
    }

    /// Whether an event called `name` is wanted.
    pub fn want(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_match_something_are_kept_once() {
        let events = WebhookEvents::new(&["activity.created", "activity.*", "activity.created"]).expect("patterns");
        assert_eq!(
            events.patterns().iter().map(EventPattern::as_str).collect::<Vec<_>>(),
            ["activity.created", "activity.*"]
        );
        assert!(events.want("activity.deleted") && !events.want("webhook.delivery.requested"));
    }

    #[test]
    fn patterns_that_can_never_match_are_refused() {
        for (patterns, rule) in [
            (vec![], "1 to 10"),
            (vec!["#"; 11], "1 to 10"),
            (vec!["#", "activity..created"], "must be patterns"),
            (vec!["activity.craeted"], "must each match one of activity.created"),
            (vec!["webhook.*"], "must each match"),
        ] {
            let error = WebhookEvents::new(&patterns).expect_err("a refusal");
            assert!(error.rule.contains(rule), "{error}");
        }
    }
}
