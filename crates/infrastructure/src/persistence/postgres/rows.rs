use activelog_application::ports::StorageError;
use activelog_domain::{
    achievement::{Achievement, Earned, Effort},
    activity::{Activity, ActivityDate, ActivityType, Calories, Description, Distance, Duration, Notes, Tags, Title},
    notification::Notification,
    statistics::Figures,
    user::UserId,
};
use jiff::Timestamp;
use sqlx::{Decode, Postgres, Row, Type, postgres::PgRow};
use uuid::Uuid;

use super::error::{corrupt, storage_error};

/// The columns of [`activity`], in its order.
macro_rules! activity_columns {
    () => {
        "id, user_id, activity_type, title, description, duration_minutes, distance_metres, calories_burned, notes, \
         tags, activity_date, version, created_at, updated_at"
    };
}
pub(super) use activity_columns;

/// Reads columns of one row from left to right.
pub(super) struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
    operation: &'static str,
}

impl<'r> Columns<'r> {
    /// From the first column on.
    pub(super) fn of(row: &'r PgRow, operation: &'static str) -> Self {
        Self { row, next: 0, operation }
    }

    /// The next column.
    pub(super) fn take<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> Result<T, StorageError> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index).map_err(|error| storage_error(self.operation, error))
    }

    /// The next column, an instant.
    pub(super) fn instant(&mut self) -> Result<Timestamp, StorageError> {
        self.take::<jiff_sqlx::Timestamp>().map(Timestamp::from)
    }

    /// The next column, an instant or nothing.
    pub(super) fn instant_or_null(&mut self) -> Result<Option<Timestamp>, StorageError> {
        Ok(self.take::<Option<jiff_sqlx::Timestamp>>()?.map(Timestamp::from))
    }

    /// The next column, a day.
    pub(super) fn day(&mut self) -> Result<jiff::civil::Date, StorageError> {
        self.take::<jiff_sqlx::Date>().map(jiff::civil::Date::from)
    }

    /// The next column, a number that is never negative.
    pub(super) fn unsigned(&mut self) -> Result<u64, StorageError> {
        let number: i64 = self.take()?;
        u64::try_from(number).map_err(|_| corrupt(self.operation, format!("{number} is negative")))
    }

    /// The next column, a partition.
    pub(super) fn partition(&mut self) -> Result<u16, StorageError> {
        let number: i16 = self.take()?;
        self.checked(u16::try_from(number))
    }

    /// The next four columns: activities, minutes, metres, kilocalories.
    pub(super) fn figures(&mut self) -> Result<Figures, StorageError> {
        Ok(Figures {
            activities: self.take()?,
            duration_minutes: self.take()?,
            distance_metres: self.take()?,
            calories_burned: self.take()?,
        })
    }

    /// A value that was checked before it was stored.
    pub(super) fn checked<T, E: std::fmt::Display>(&self, value: Result<T, E>) -> Result<T, StorageError> {
        value.map_err(|error| corrupt(self.operation, error))
    }

    /// The next column, a distance in metres or nothing.
    fn metres_or_null(&mut self) -> Result<Option<u32>, StorageError> {
        let metres: Option<i32> = self.take()?;
        self.checked(metres.map(u32::try_from).transpose())
    }
}

/// The activity in a row of [`activity_columns`].
pub(super) fn activity(row: &PgRow, operation: &'static str) -> Result<Activity, StorageError> {
    let mut columns = Columns::of(row, operation);
    let c = &mut columns;
    Ok(Activity {
        id: c.take()?,
        user_id: UserId(c.take()?),
        activity_type: {
            let text = c.take()?;
            c.checked(ActivityType::new(text))?
        },
        title: {
            let text = c.take()?;
            c.checked(Title::new(text))?
        },
        description: {
            let text: Option<&str> = c.take()?;
            c.checked(text.map(Description::new).transpose())?
        },
        duration: {
            let minutes: i32 = c.take()?;
            c.checked(Duration::new(minutes.into()))?
        },
        distance: {
            let metres: Option<i32> = c.take()?;
            c.checked(metres.map(|m| Distance::from_metres(m.into())).transpose())?
        },
        calories: {
            let kilocalories: Option<i32> = c.take()?;
            c.checked(kilocalories.map(|k| Calories::new(k.into())).transpose())?
        },
        notes: {
            let text: Option<&str> = c.take()?;
            c.checked(text.map(Notes::new).transpose())?
        },
        tags: {
            let labels: Vec<String> = c.take()?;
            c.checked(Tags::new(&labels))?
        },
        activity_date: ActivityDate::stored(c.instant()?),
        version: c.unsigned()?,
        created_at: c.instant()?,
        updated_at: c.instant()?,
    })
}

/// The notification in a row of id, user, kind, message, created_at, read_at.
pub(super) fn notification(row: &PgRow, operation: &'static str) -> Result<Notification, StorageError> {
    let mut columns = Columns::of(row, operation);
    Ok(Notification {
        id: columns.take()?,
        user_id: UserId(columns.take()?),
        kind: columns.take()?,
        message: columns.take()?,
        created_at: columns.instant()?,
        read_at: columns.instant_or_null()?,
    })
}

/// The achievement in a row of code, activity, achieved_at, distance.
pub(super) fn earned(row: &PgRow, operation: &'static str) -> Result<Earned, StorageError> {
    let mut columns = Columns::of(row, operation);
    let code: &str = columns.take()?;
    let achievement =
        Achievement::parse(code).ok_or_else(|| corrupt(operation, format!("unknown achievement {code:?}")))?;
    Ok(Earned {
        achievement,
        activity_id: columns.take()?,
        achieved_at: columns.instant()?,
        distance_metres: columns.metres_or_null()?,
    })
}

/// The effort in the next columns: activity, type, date, distance.
pub(super) fn effort(columns: &mut Columns<'_>) -> Result<Effort, StorageError> {
    let activity_id: Uuid = columns.take()?;
    let activity_type: &str = columns.take()?;
    Ok(Effort {
        activity_id,
        activity_type: columns.checked(ActivityType::new(activity_type))?,
        date: columns.instant()?,
        distance_metres: columns.metres_or_null()?,
    })
}

/// A number of the domain as the database keeps it. Beyond 2^63 nothing is ever counted.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count of the domain as an `integer` column keeps it. The domain's limits are far below 2^31.
pub(super) fn integer(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
