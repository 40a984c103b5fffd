use std::{fmt, str::FromStr};

/// Which events a subscription wants: dot-separated words, where `*` stands for exactly one word and a `#` at the end for any
/// number of words, also none. `activity.created`, `activity.*`, `#`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventPattern(String);

/// A text is not an event pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "event pattern {0:?}: must be words of a-z, 0-9, _ and - joined by dots, `*` for one word, `#` last for any rest"
)]
pub struct PatternError(String);

impl FromStr for EventPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let words: Vec<&str> = text.split('.').collect();
        let plain = |word: &str| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
        };
        let valid = words.iter().enumerate().all(|(index, word)| match *word {
            "*" => true,
            "#" => index + 1 == words.len(),
            word => plain(word),
        });
        if valid && text.len() <= 255 { Ok(Self(text.to_owned())) } else { Err(PatternError(text.to_owned())) }
    }
}

impl EventPattern {
    /// The pattern that only `name` matches. Event names are valid patterns by construction.
    pub fn exact(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// The pattern that every event matches.
    pub fn all() -> Self {
        Self("#".to_owned())
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it holds a wildcard.
    pub fn is_wildcard(&self) -> bool {
        self.0.contains(['*', '#'])
    }

    /// Whether an event called `name` is wanted.
    pub fn matches(&self, name: &str) -> bool {
        let mut words = name.split('.');
        for part in self.0.split('.') {
            if part == "#" {
                return true;
            }
            match words.next() {
                Some(word) if part == "*" || part == word => {}
                _ => return false,
            }
        }
        words.next().is_none()
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a consumer group starts that the broker does not know yet. A known group goes on where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartFrom {
    /// At the oldest event the broker still has. One without [`replay`](super::BrokerCapabilities::replay) has none for a new group: it begins with the next.
    #[default]
    Earliest,
    /// With the first event published after the subscription.
    Latest,
}

/// What a consumer wants.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The consumer group: its members share the events among them. 1 to 100 of `a-z`, `0-9`, `_`, `-` and `.`.
    pub group: String,
    /// Which events; an event is delivered once if any pattern matches. Never empty.
    pub patterns: Vec<EventPattern>,
    /// The most unsettled deliveries at once, at least 1: the bound on memory.
    pub prefetch: usize,
    /// Where a new group starts.
    pub start: StartFrom,
    /// What the group knows this process by, like no other's, for brokers that can use it: one that was killed and is started again under the same name has its share of the
    /// events back at once, rather than when the broker has given it up. As `group`.
    pub instance: Option<String>,
}

impl Subscription {
    /// All matching events from the oldest on, 1,024 unsettled at once.
    pub fn new(group: impl Into<String>, patterns: Vec<EventPattern>) -> Self {
        Self { group: group.into(), patterns, prefetch: 1_024, start: StartFrom::Earliest, instance: None }
    }

    /// With another bound on unsettled deliveries.
    #[must_use]
    pub fn prefetch(mut self, prefetch: usize) -> Self {
        self.prefetch = prefetch;
        self
    }

    /// With another start for a new group.
    #[must_use]
    pub fn start(mut self, start: StartFrom) -> Self {
        self.start = start;
        self
    }

    /// With a name for this process.
    #[must_use]
    pub fn instance(mut self, instance: Option<String>) -> Self {
        self.instance = instance;
        self
    }

    /// Whether an event called `name` is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.patterns.iter().any(|p| p.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_the_contract() {
        for (pattern, name, expected) in [
            ("activity.created", "activity.created", true),
            ("activity.created", "activity.updated", false),
            ("activity.*", "activity.created", true),
            ("activity.*", "activity", false),
            ("activity.*", "activity.created.late", false),
            ("*.created", "activity.created", true),
            ("activity.#", "activity", true),
            ("activity.#", "activity.created.late", true),
            ("activity.#", "activityx.created", false),
            ("#", "anything.at.all", true),
        ] {
            let parsed: EventPattern = pattern.parse().expect("a valid pattern");
            assert_eq!(parsed.matches(name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        for bad in ["", "a..b", "a.#.b", "A.b", "a b", "a.**", "#.a"] {
            assert!(bad.parse::<EventPattern>().is_err(), "{bad:?}");
        }
    }
}
