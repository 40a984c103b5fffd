//! JSON objects field by field, so that one answer names all fields that are wrong.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    broken_rules::BrokenRules,
    problem::{Problem, ProblemField, ProblemKind, shown},
};

/// The fields of an object that is being read, and what is wrong with them so far.
pub(super) struct Fields<'a> {
    names: &'static [&'static str],
    values: Vec<Option<&'a RawValue>>,
    errors: BrokenRules,
}

impl<'a> Fields<'a> {
    /// Takes an object apart. Fields other than `names` are errors; those in `fixed` get a rule that says why.
    pub(super) fn parse(
        body: &'a [u8],
        names: &'static [&'static str],
        fixed: &'static [&'static str],
    ) -> Result<Self, Problem> {
        let mut fields = Self { names, values: vec![None; names.len()], errors: BrokenRules::default() };
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let read = deserializer
            .deserialize_map(ObjectVisitor { fields: &mut fields, fixed })
            .and_then(|()| deserializer.end());
        read.map_err(|error| unreadable(body, &error))?;
        Ok(fields)
    }

    /// A field that has to be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Given<'a>) -> Result<T, ProblemField>,
    ) -> Option<T> {
        match self.given(name) {
            None => {
                self.errors.note(|| ProblemField::missing(name));
                None
            }
            Some(given) => self.not_null(given, read),
        }
    }

    /// A field that may be left out or null.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Given<'a>) -> Result<T, ProblemField>,
    ) -> Option<T> {
        self.removable(name, read).flatten()
    }

    /// A change of a field that cannot be removed: `None` leaves it as it is.
    pub(super) fn change<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Given<'a>) -> Result<T, ProblemField>,
    ) -> Option<T> {
        self.given(name).and_then(|given| self.not_null(given, read))
    }

    /// A change of a field that null removes: `None` leaves it as it is.
    pub(super) fn removable<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Given<'a>) -> Result<T, ProblemField>,
    ) -> Option<Option<T>> {
        let given = self.given(name)?;
        if given.is_null() { Some(None) } else { self.note(read(given)).map(Some) }
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// Notes what is wrong with the object as a whole.
    pub(super) fn refuse(&mut self, error: ProblemField) {
        self.errors.note(|| error);
    }

    /// Fails with what was wrong.
    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::validation(self.errors)) }
    }

    fn given(&self, name: &'static str) -> Option<Given<'a>> {
        let index = self.names.iter().position(|known| *known == name)?;
        let raw = (*self.values.get(index)?)?;
        Some(Given { name, text: raw.get() })
    }

    fn not_null<T>(&mut self, given: Given<'a>, read: impl FnOnce(Given<'a>) -> Result<T, ProblemField>) -> Option<T> {
        let value = if given.is_null() { Err(given.refuse("must not be null")) } else { read(given) };
        self.note(value)
    }

    fn note<T>(&mut self, result: Result<T, ProblemField>) -> Option<T> {
        result.map_err(|error| self.errors.note(|| error)).ok()
    }
}

/// A field that is there, as JSON text that has not been read yet.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    name: &'static str,
    text: &'a str,
}

impl<'a> Given<'a> {
    /// An error of this field.
    pub(super) fn refuse(self, rule: impl Into<String>) -> ProblemField {
        ProblemField::new(self.name, rule, Some(self.text))
    }

    /// The text of a JSON string.
    pub(super) fn string(self) -> Result<Cow<'a, str>, ProblemField> {
        if !self.text.starts_with('"') {
            return Err(self.refuse("must be a string"));
        }
        let plain = self.text.get(1..self.text.len().saturating_sub(1)).filter(|inner| !inner.contains('\\'));
        match plain {
            Some(plain) => Ok(Cow::Borrowed(plain)),
            None => serde_json::from_str::<String>(self.text)
                .map(Cow::Owned)
                .map_err(|_| self.refuse("must be a string of Unicode characters; an escape in it is none")),
        }
    }

    /// The texts of a JSON array of strings.
    pub(super) fn strings(self) -> Result<Vec<String>, ProblemField> {
        serde_json::from_str(self.text).map_err(|error| {
            let rule = "must be a list of strings";
            self.refuse(if error.is_data() {
                rule
            } else {
                "must be a list of strings of Unicode characters; an escape in it is none"
            })
        })
    }

    /// `true` or `false`.
    pub(super) fn boolean(self) -> Result<bool, ProblemField> {
        self.text.parse().map_err(|_| self.refuse("must be true or false"))
    }

    /// A JSON number, as near as a 64-bit float is to it; one that is too large is infinite.
    pub(super) fn number(self) -> Result<f64, ProblemField> {
        let starts = self.text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let value = if starts { self.text.parse().ok() } else { None };
        value.ok_or_else(|| self.refuse("must be a number"))
    }

    /// A whole JSON number. One that is too large for any rule is `i64::MAX` or `i64::MIN`.
    pub(super) fn integer(self) -> Result<i64, ProblemField> {
        if let Ok(value) = self.text.parse() {
            return Ok(value);
        }
        let value = self.number()?;
        if value.is_finite() && value.fract() != 0.0 {
            return Err(self.refuse("must be a whole number"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole; casts saturate, and no rule allows that much")]
        Ok(value as i64)
    }

    fn is_null(self) -> bool {
        self.text == "null"
    }
}

/// Why the body is no object: 400 where it is not JSON, 422 where it is another kind of JSON.
fn unreadable(body: &[u8], error: &serde_json::Error) -> Problem {
    if error.is_data() {
        return Problem::new(ProblemKind::VALIDATION, "The body must be a JSON object.");
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Problem::new(ProblemKind::MALFORMED, "The body is empty; it must be a JSON object.");
    }
    Problem::new(ProblemKind::MALFORMED, format!("The body is not JSON: {error}."))
}

struct ObjectVisitor<'f, 'a> {
    fields: &'f mut Fields<'a>,
    fixed: &'static [&'static str],
}

impl<'a> Visitor<'a> for ObjectVisitor<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(KeySeed(self.fields.names))? {
            let value: &'a RawValue = map.next_value()?;
            let errors = &mut self.fields.errors;
            match key {
                Key::Known(index, name) => match self.fields.values.get_mut(index) {
                    Some(slot @ None) => *slot = Some(value),
                    _ => errors.note(|| ProblemField::new(name, "must not be given twice", Some(value.get()))),
                },
                Key::Unknown(name) if self.fixed.contains(&name.as_str()) => {
                    errors.note(|| ProblemField::new(name, "cannot be set here", Some(value.get())));
                }
                Key::Unknown(name) => {
                    errors.note(|| ProblemField::new(shown(&name), "is not known here", Some(value.get())));
                    errors.hint(|| format!("Known are {}.", self.fields.names.join(", ")));
                }
            }
        }
        Ok(())
    }
}

enum Key {
    Known(usize, &'static str),
    Unknown(String),
}

struct KeySeed(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Key, E> {
        let known = self.0.iter().enumerate().find(|(_, known)| **known == name);
        Ok(known.map_or_else(|| Key::Unknown(name.to_owned()), |(index, known)| Key::Known(index, known)))
    }
}
