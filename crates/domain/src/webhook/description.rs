use crate::validation::{FieldError, text};

/// What a webhook is for, in its owner's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDescription(String);

impl WebhookDescription {
    /// The longest, in characters.
    pub const MAX: usize = 200;

    /// 1 to 200 characters on one line.
    pub fn new(value: &str) -> Result<Self, FieldError> {
        text("description", value, 1, Self::MAX, false).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
