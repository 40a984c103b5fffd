//! What is wrong with a request, as far as an answer tells it.

use std::fmt::Write;

use super::problem::ProblemField;

/// How many broken rules an answer names. The rest is counted, so that neither the answer nor the memory it takes grows with what
/// is wrong.
const NAMED: usize = 20;

/// How long the sentence for people gets, in bytes, before the rest of the rules is only counted.
const SUMMARY: usize = 2_000;

/// The rules a request breaks: the first ones by name, the others by number.
#[derive(Debug, Default)]
pub(super) struct BrokenRules {
    named: Vec<ProblemField>,
    unnamed: usize,
    hint: Option<String>,
}

impl BrokenRules {
    /// Notes another one. `field` is called only if there is room to name it.
    pub(super) fn note(&mut self, field: impl FnOnce() -> ProblemField) {
        if self.named.len() < NAMED {
            self.named.push(field());
        } else {
            self.unnamed += 1;
        }
    }

    /// Adds a sentence for all of them together. The first one stays.
    pub(super) fn hint(&mut self, sentence: impl FnOnce() -> String) {
        self.hint.get_or_insert_with(sentence);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// All of it in words, a sentence each; those that do not fit are counted.
    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        let mut told = 0;
        for error in &self.named {
            if text.len() + error.field.len() + error.rule.len() > SUMMARY {
                break;
            }
            let gap = if text.is_empty() { "" } else { " " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{gap}{} {}.", error.field, error.rule);
            told += 1;
        }
        let more = self.named.len() - told + self.unnamed;
        if more > 0 {
            let _ = write!(text, " And {more} more.");
        }
        if let Some(hint) = &self.hint {
            let _ = write!(text, " {hint}");
        }
        text
    }

    /// Those that are named.
    pub(super) fn into_named(self) -> Vec<ProblemField> {
        self.named
    }
}

impl From<ProblemField> for BrokenRules {
    fn from(field: ProblemField) -> Self {
        Self { named: vec![field], ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut rules = BrokenRules::default();
        for _ in 0..70_000 {
            rules.note(|| ProblemField::new("\u{1b}".repeat(64), "must be ".repeat(20), None));
        }
        rules.hint(|| "Known are a, b.".to_owned());
        let summary = rules.summary();
        assert!(summary.len() < SUMMARY + 100, "{summary}");
        let told = summary.matches("must be must be").count() / 10;
        assert!(summary.ends_with(&format!(" And {} more. Known are a, b.", 70_000 - told)), "{summary}");
        assert_eq!(rules.into_named().len(), NAMED);
    }
}
