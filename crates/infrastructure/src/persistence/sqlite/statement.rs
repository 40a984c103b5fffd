use std::{borrow::Cow, sync::Arc};

use activelog_application::ports::{StorageError, StorageErrorKind};
use activelog_domain::statistics::Figures;
use jiff::{Timestamp, civil::Date};
use sqlx::{Arguments, sqlite::SqliteArguments};
use uuid::Uuid;

use super::error_mapping::storage_error;

/// SQL, what is bound to it, and what it is for.
///
/// Parameters that are used in more than one place are written `$1`, `$2`: SQLite numbers those as they appear, without gaps, and
/// one value then serves several statements in one text.
#[derive(Clone)]
pub(super) struct Statement {
    /// What it does, for errors: "insert activity".
    pub(super) operation: &'static str,
    pub(super) sql: Cow<'static, str>,
    values: Vec<Value>,
    /// Whether the compiled statement is worth keeping.
    pub(super) persistent: bool,
    failure: Option<Arc<sqlx::Error>>,
}

impl Statement {
    /// A statement that is the same every time.
    pub(super) fn new(operation: &'static str, sql: &'static str) -> Self {
        Self { operation, sql: Cow::Borrowed(sql), values: Vec::new(), persistent: true, failure: None }
    }

    /// A statement of `head`, then `rows` times the parenthesised `row` as a list, then `tail`. All are constants.
    pub(super) fn rows(
        operation: &'static str,
        head: &'static str,
        row: &'static str,
        rows: usize,
        tail: &'static str,
    ) -> Self {
        let mut sql = String::with_capacity(head.len() + rows * (row.len() + 2) + tail.len() + 2);
        sql.push_str(head);
        for index in 0..rows {
            sql.push_str(if index == 0 { " " } else { ", " });
            sql.push_str(row);
        }
        sql.push(' ');
        sql.push_str(tail);
        // Long lists come in any length: keeping each would only crowd out the others.
        Self { sql: Cow::Owned(sql), persistent: rows <= 4, ..Self::new(operation, "") }
    }

    /// A statement put together from constants.
    pub(super) fn composed(operation: &'static str, sql: String) -> Self {
        Self { sql: Cow::Owned(sql), ..Self::new(operation, "") }
    }

    /// Binds the next value.
    #[must_use]
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Binds an instant as whole microseconds.
    #[must_use]
    pub(super) fn bind_time(self, at: Timestamp) -> Self {
        self.bind(at.as_microsecond())
    }

    /// Binds a day as ISO text.
    #[must_use]
    pub(super) fn bind_day(self, day: Date) -> Self {
        self.bind(day.to_string())
    }

    /// Binds activities, minutes, metres and calories.
    #[must_use]
    pub(super) fn bind_figures(self, figures: Figures) -> Self {
        self.bind(figures.activities)
            .bind(figures.duration_minutes)
            .bind(figures.distance_metres)
            .bind(figures.calories_burned)
    }

    /// Binds a count that the domain keeps unsigned.
    #[must_use]
    pub(super) fn bind_unsigned(mut self, value: u64) -> Self {
        match i64::try_from(value) {
            Ok(value) => self.bind(value),
            Err(error) => {
                self.failure.get_or_insert_with(|| Arc::new(sqlx::Error::Encode(error.into())));
                self
            }
        }
    }

    /// This statement and then `next` as one text, to run in one round trip. What is read comes from `next`. Both must be free of `$1`, as
    /// those count from the beginning of the text.
    pub(super) fn then(mut self, next: Self) -> Self {
        let sql = self.sql.to_mut();
        sql.push_str("; ");
        sql.push_str(&next.sql);
        self.values.extend(next.values);
        self.operation = next.operation;
        self.persistent &= next.persistent;
        self.failure = self.failure.or(next.failure);
        self
    }

    /// Whether it can be joined with others.
    pub(super) fn is_joinable(&self) -> bool {
        !self.sql.contains('$')
    }

    /// Its text and what is bound to it, unless a value could not be bound.
    pub(super) fn checked(mut self) -> Result<(Cow<'static, str>, SqliteArguments), StorageError> {
        let operation = self.operation;
        let mut arguments = SqliteArguments::default();
        if let Some(error) = self.failure.take() {
            return Err(StorageError::new(StorageErrorKind::Other, operation, error));
        }
        let bound = self.values.into_iter().try_for_each(|value| value.add_to(&mut arguments));
        bound.map(|()| (self.sql, arguments)).map_err(|error| storage_error(operation, error))
    }
}

/// A value as SQLite has it.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl Value {
    fn add_to(self, arguments: &mut SqliteArguments) -> Result<(), sqlx::Error> {
        match self {
            Self::Null => arguments.add(None::<i64>),
            Self::Integer(value) => arguments.add(value),
            Self::Text(value) => arguments.add(value),
            Self::Blob(value) => arguments.add(value),
        }
        .map_err(sqlx::Error::Encode)
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::Integer(value.into())
            }
        }
    )*};
}

integers!(i64, i32, u32, u16);

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(value.to_vec())
    }
}

impl From<Uuid> for Value {
    fn from(value: Uuid) -> Self {
        Self::Blob(value.as_bytes().to_vec())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
