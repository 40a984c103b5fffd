use crate::validation::{FieldError, text};

/// A user's short label, such as `race` or `with friends`: one line of 1 to 40 characters without commas, so that lists of
/// tags can be written with commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// The most characters.
    pub const MAX: usize = 40;

    /// Trims and checks a label.
    pub fn new(value: &str) -> Result<Self, FieldError> {
        let label = text("tags", value, 1, Self::MAX, false)
            .map_err(|error| FieldError { rule: format!("each tag {}", error.rule), ..error })?;
        if label.contains(',') {
            return Err(FieldError::new("tags", "each tag must not hold a comma", value));
        }
        Ok(Self(label))
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The tags of an activity: up to 20, in the order they were given, none of them twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(Vec<Tag>);

impl Tags {
    /// The most tags.
    pub const MAX: usize = 20;

    /// Trims and checks labels. `Race` and `race` are two.
    pub fn new<T: AsRef<str>>(values: &[T]) -> Result<Self, FieldError> {
        if values.len() > Self::MAX {
            let rule = format!("must be at most {} tags", Self::MAX);
            return Err(FieldError::new("tags", rule, values.len()));
        }
        let mut tags: Vec<Tag> = Vec::with_capacity(values.len());
        for value in values {
            let tag = Tag::new(value.as_ref())?;
            if tags.contains(&tag) {
                return Err(FieldError::new("tags", "must not hold a tag twice", tag.as_str()));
            }
            tags.push(tag);
        }
        Ok(Self(tags))
    }

    /// The labels, in their order.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(Tag::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[&str]) -> Result<Vec<String>, String> {
        Tags::new(values).map(|tags| tags.labels().map(str::to_owned).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn labels_are_trimmed_and_keep_their_order() {
        assert_eq!(
            labels(&[" race ", "Race", "avec été", "🚴 हिन्दी"]),
            Ok(["race", "Race", "avec été", "🚴 हिन्दी"].map(str::to_owned).into())
        );
        assert_eq!(labels(&[]), Ok(vec![]));
        assert_eq!(Tags::default().labels().len(), 0);
    }

    #[test]
    fn an_error_names_field_rule_and_value() {
        let long = "é".repeat(Tag::MAX + 1);
        let many: Vec<String> = (0..=Tags::MAX).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (values, expected) in [
            (&["a", ""][..], r#"tags: each tag must be 1 to 40 characters, has 0; got """#.to_owned()),
            (&[&long], format!("tags: each tag must be 1 to 40 characters, has 41; got {long:?}")),
            (&["a\nb"], r#"tags: each tag must not hold control characters, holds U+000A; got "a\nb""#.to_owned()),
            (&["a,b"], r#"tags: each tag must not hold a comma; got "a,b""#.to_owned()),
            (&["a", "b", " a"], r#"tags: must not hold a tag twice; got "a""#.to_owned()),
            (&many, "tags: must be at most 20 tags; got 21".to_owned()),
        ] {
            assert_eq!(labels(values), Err(expected));
        }
        assert!(labels(&["é".repeat(Tag::MAX).as_str()]).is_ok());
        assert!(labels(&many[1..]).is_ok());
    }
}
