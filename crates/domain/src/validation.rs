//! What is wrong with a value: which field, which rule, which value.

use std::fmt;

/// How much of a refused value an error repeats, in characters.
const SHOWN: usize = 64;

/// A value breaks a rule. The message names the field, the rule and the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}; got {value}")]
pub struct FieldError {
    /// The field's name as the outside knows it.
    pub field: &'static str,
    /// The rule, as an instruction: "must be 1 to 200 characters".
    pub rule: String,
    /// The value that broke it, shortened and with control characters escaped.
    pub value: String,
}

impl FieldError {
    /// An error for `field`, which breaks `rule` with `value`.
    pub fn new(field: &'static str, rule: impl Into<String>, value: impl fmt::Debug) -> Self {
        let mut shown = format!("{value:?}");
        if let Some((end, _)) = shown.char_indices().nth(SHOWN) {
            shown.truncate(end);
            shown.push('…');
        }
        Self { field, rule: rule.into(), value: shown }
    }
}

/// One or more values break their rules: all of them are told at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationError(Vec<FieldError>);

impl ValidationError {
    /// Every broken rule, in the order of the fields.
    pub fn fields(&self) -> &[FieldError] {
        &self.0
    }
}

impl From<FieldError> for ValidationError {
    fn from(error: FieldError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { ". " })?;
        }
        Ok(())
    }
}

impl std::error::Error for ValidationError {}

/// Collects the errors of several fields, so that a caller hears of all of them in one answer.
#[derive(Debug, Default)]
pub struct Checks(Vec<FieldError>);

impl Checks {
    /// No errors yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value, or `None` after its error has been noted.
    pub fn take<T>(&mut self, result: Result<T, FieldError>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }

    /// `Err` with everything noted so far, if anything was.
    pub fn finish(self) -> Result<(), ValidationError> {
        if self.0.is_empty() { Ok(()) } else { Err(ValidationError(self.0)) }
    }
}

/// Free text: trimmed, `min..=max` characters, no control characters besides line feeds and tabs where `multiline`.
pub(crate) fn text(
    field: &'static str,
    value: &str,
    min: usize,
    max: usize,
    multiline: bool,
) -> Result<String, FieldError> {
    let trimmed = value.trim();
    let count = trimmed.chars().count();
    if count < min || count > max {
        return Err(FieldError::new(field, format!("must be {min} to {max} characters, has {count}"), value));
    }
    let forbidden = |c: char| c.is_control() && !(multiline && matches!(c, '\n' | '\r' | '\t'));
    match trimmed.chars().find(|c| forbidden(*c)) {
        Some(found) => {
            let rule = format!("must not hold control characters, holds U+{:04X}", u32::from(found));
            Err(FieldError::new(field, rule, value))
        }
        None => Ok(trimmed.to_owned()),
    }
}
