use std::borrow::Cow;

use activelog_application::ports::StorageError;
use activelog_domain::statistics::Figures;
use jiff::{Timestamp, civil::Date};
use sqlx::{Arguments, Encode, Sqlite, Type, sqlite::SqliteArguments};

use super::error_mapping::storage_error;

/// SQL, what is bound to it, and what it is for.
///
/// Parameters that are used in more than one place are written `$1`, `$2`: SQLite numbers those as they appear, without gaps, and
/// one value then serves several statements in one text.
pub(super) struct Statement {
    /// What it does, for errors: "insert activity".
    pub(super) operation: &'static str,
    pub(super) sql: Cow<'static, str>,
    pub(super) arguments: SqliteArguments,
    /// Whether the compiled statement is worth keeping.
    pub(super) persistent: bool,
    failure: Option<sqlx::Error>,
}

impl Statement {
    /// A statement that is the same every time.
    pub(super) fn new(operation: &'static str, sql: &'static str) -> Self {
        Self {
            operation,
            sql: Cow::Borrowed(sql),
            arguments: SqliteArguments::default(),
            persistent: true,
            failure: None,
        }
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
    pub(super) fn bind<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(mut self, value: T) -> Self {
        if let Err(error) = self.arguments.add(value) {
            self.failure.get_or_insert(sqlx::Error::Encode(error));
        }
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
                self.failure.get_or_insert(sqlx::Error::Encode(error.into()));
                self
            }
        }
    }

    /// The statement, unless a value could not be bound.
    pub(super) fn checked(mut self) -> Result<Self, StorageError> {
        match self.failure.take() {
            Some(error) => Err(storage_error(self.operation, error)),
            None => Ok(self),
        }
    }
}
