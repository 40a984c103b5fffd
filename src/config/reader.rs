use std::{collections::BTreeMap, time::Duration};

use config::{Value, ValueKind};

use super::{EffectiveValue, Origin, Problem, layers::Given, secret_url::redact, setting::Setting, worker::HANDLERS};

/// How much of a refused value a message repeats, in characters.
const SHOWN: usize = 80;

/// Takes the values of all keys out of what was given, and notes what is in effect and what is wrong.
pub(super) struct Reader {
    given: BTreeMap<String, Given>,
    effective: Vec<EffectiveValue>,
    problems: Vec<Problem>,
}

/// The keys of one section.
pub(super) struct Section<'a> {
    reader: &'a mut Reader,
    name: &'static str,
}

impl Reader {
    pub(super) fn new(given: BTreeMap<String, Given>, problems: Vec<Problem>) -> Self {
        Self { given, effective: Vec::new(), problems }
    }

    pub(super) fn section(&mut self, name: &'static str) -> Section<'_> {
        Section { reader: self, name }
    }

    /// Whether anybody has set a key of this section.
    pub(super) fn has(&self, section: &str) -> bool {
        self.given.keys().any(|key| key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')))
    }

    /// What is in effect, or everything that is wrong. Whatever no section has taken is unknown.
    pub(super) fn finish(mut self) -> Result<Vec<EffectiveValue>, Vec<Problem>> {
        let known: Vec<&str> = self.effective.iter().map(|value| value.key.as_str()).collect();
        for (key, given) in self.given {
            let section = known.iter().any(|k| k.strip_prefix(key.as_str()).is_some_and(|rest| rest.starts_with('.')));
            if section && is_nothing(&given.value) {
                continue;
            }
            self.problems.push(if section {
                let rule = "is a section: its keys stand below it".to_owned();
                Problem::BadValue { key, rule, value: shown(&given.value), origin: given.origin }
            } else {
                Problem::UnknownKey {
                    nearest: nearest_handler(&key).or_else(|| nearest(&key, &known)),
                    key: given.written,
                    origin: given.origin,
                }
            });
        }
        if self.problems.is_empty() { Ok(self.effective) } else { Err(self.problems) }
    }

    fn note(&mut self, key: String, value: Option<super::Shown>, origin: Origin) {
        self.effective.push(EffectiveValue { key, value, origin });
    }
}

impl Section<'_> {
    /// The value of a key, or its default when nobody set it.
    pub(super) fn get<T: Setting>(&mut self, key: &str, default: T) -> T {
        self.get_if(key, default, |_| Ok(()))
    }

    /// The same, with a rule of its own: an error says which it breaks.
    pub(super) fn get_if<T: Setting>(&mut self, key: &str, default: T, rule: impl Fn(&T) -> Result<(), String>) -> T {
        let (value, origin) = self.take(key, &rule).map_or((default, Origin::Default), |(v, o)| (v, o));
        self.reader.note(self.key(key), Some(value.show()), origin);
        value
    }

    /// A whole number from `min` to `max`.
    pub(super) fn number(&mut self, key: &str, default: u32, min: u32, max: u32) -> u32 {
        self.get_if(
            key,
            default,
            |n| {
                if (min..=max).contains(n) { Ok(()) } else { Err(format!("must be {min} to {max}")) }
            },
        )
    }

    /// A duration from `min_ms` to `max_ms` milliseconds.
    pub(super) fn duration(&mut self, key: &str, default: Duration, min_ms: u64, max_ms: u64) -> Duration {
        let (min, max) = (Duration::from_millis(min_ms), Duration::from_millis(max_ms));
        self.get_if(key, default, |value| {
            let rule = || format!("must be {} to {}", min.show(), max.show());
            (min..=max).contains(value).then_some(()).ok_or_else(rule)
        })
    }

    /// Notes that the value in effect does not go with another.
    pub(super) fn refuse(&mut self, key: &str, rule: &str) {
        let key = self.key(key);
        if let Some(effective) = self.reader.effective.iter().find(|value| value.key == key) {
            let value = effective.value.as_ref().map(ToString::to_string).unwrap_or_default();
            let origin = effective.origin.clone();
            self.reader.problems.push(Problem::BadValue { key, rule: rule.to_owned(), value, origin });
        }
    }

    /// A whole number, at least 1, or `"off"`, which is the default.
    pub(super) fn optional_number(&mut self, key: &str) -> Option<u32> {
        self.get_if(
            key,
            None,
            |n| if *n == Some(0) { Err("must be at least 1, or \"off\"".to_owned()) } else { Ok(()) },
        )
    }

    /// A value out of a few words.
    pub(super) fn choice<T: Copy + PartialEq>(&mut self, key: &str, default: T, choices: &[(&'static str, T)]) -> T {
        let value_of = |word: &str| choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        let word_of = choices.iter().find(|(_, value)| *value == default).map_or("", |(word, _)| *word);
        let word: String = self.get_if(key, word_of.to_owned(), |word| match value_of(word) {
            Some(_) => Ok(()),
            None => Err(format!("must be one of {}", choices.iter().map(|(w, _)| *w).collect::<Vec<_>>().join(", "))),
        });
        value_of(&word).unwrap_or(default)
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    fn take<T: Setting>(&mut self, key: &str, rule: &impl Fn(&T) -> Result<(), String>) -> Option<(T, Origin)> {
        let key = self.key(key);
        // A key left open in a YAML file: nobody set anything.
        let given = self.reader.given.remove(&key).filter(|given| given.value.kind != ValueKind::Nil)?;
        match T::read(&given.value.kind).and_then(|value| rule(&value).map(|()| value)) {
            Ok(value) => Some((value, given.origin)),
            Err(rule) => {
                let value = shown(&given.value);
                self.reader.problems.push(Problem::BadValue { key, rule, value, origin: given.origin });
                None
            }
        }
    }
}

/// Whether a section holds no keys: YAML leaves it open, TOML empty.
fn is_nothing(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Nil => true,
        ValueKind::Table(keys) => keys.is_empty(),
        _ => false,
    }
}

/// A refused value for a message: shortened, one line, without secrets.
fn shown(value: &Value) -> String {
    let text = match &value.kind {
        ValueKind::Nil => return "nothing".to_owned(),
        ValueKind::Table(_) => return "a section".to_owned(),
        ValueKind::Array(_) => return "a list".to_owned(),
        ValueKind::String(text) => format!("{:?}", redact(text)),
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The known key that `key` most resembles, else the section that its section resembles, if any does at all.
fn nearest(key: &str, known: &[&str]) -> Option<String> {
    let (section, name) = split(key);
    let candidates = known.iter().filter_map(|candidate| {
        let (its_section, its_name) = split(candidate);
        let slip = strsim::normalized_damerau_levenshtein(name, its_name);
        // `url` where `database_url` was meant.
        let part = name.len() >= 3 && (its_name.contains(name) || name.contains(its_name));
        let likeness = if part { slip.max(0.6) } else { slip };
        // The right key in another section is a likely mistake, the right section alone is none.
        let place = strsim::normalized_damerau_levenshtein(section, its_section);
        (likeness >= 0.6).then_some((likeness + place / 2.0, *candidate))
    });
    let key = candidates.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, key)| key);
    key.or_else(|| nearest_section(if section.is_empty() { name } else { section }, known)).map(str::to_owned)
}

/// The same key of the handler that the one in `key` most resembles. Handlers that nobody has configured are not among the known keys.
fn nearest_handler(key: &str) -> Option<String> {
    let (section, name) = key.rsplit_once('.')?;
    let likened = HANDLERS.iter().map(|(handler, _)| (strsim::jaro_winkler(section, handler), handler));
    let (likeness, nearest) = likened.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (section.starts_with("handlers.") && likeness >= 0.8 && section != *nearest).then(|| format!("{nearest}.{name}"))
}

fn nearest_section<'a>(section: &str, known: &[&'a str]) -> Option<&'a str> {
    let sections = known.iter().map(|key| split(key).0);
    // Unlike counting slips, this finds `wroker` nearer to `worker` than to `broker`.
    let likened = sections.map(|known| (strsim::jaro_winkler(section, known), known));
    let (likeness, nearest) = likened.max_by(|a, b| a.0.total_cmp(&b.0))?;
    // In a section that exists, it is the key that is wrong.
    (likeness >= 0.8 && nearest != section).then_some(nearest)
}

fn split(key: &str) -> (&str, &str) {
    key.split_once('.').unwrap_or(("", key))
}
