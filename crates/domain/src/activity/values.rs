use std::fmt;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use crate::validation::{FieldError, text};

/// The day in UTC that an instant falls on. Weeks, months and streaks count these.
pub fn utc_day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// A kind of sport: a lower-case word such as `run` or `trail_run`, 1 to 40 of `a-z`, `0-9` and `_`.
///
/// Upper case is lowered, spaces and hyphens become `_`, so that `Trail Run` and `trail-run` mean the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActivityType(String);

impl ActivityType {
    /// The longest type, in characters.
    pub const MAX: usize = 40;

    /// Checks and normalises a type.
    pub fn new(value: &str) -> Result<Self, FieldError> {
        let normal: String =
            value.trim().chars().map(|c| if matches!(c, ' ' | '-') { '_' } else { c.to_ascii_lowercase() }).collect();
        let letter_first = normal.starts_with(|c: char| c.is_ascii_lowercase());
        let plain = normal.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if letter_first && plain && normal.len() <= Self::MAX {
            Ok(Self(normal))
        } else {
            let rule =
                format!("must be a letter followed by letters, digits, spaces or hyphens, at most {}", Self::MAX);
            Err(FieldError::new("type", rule, value))
        }
    }

    /// The normalised word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ActivityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A one-line title, 1 to 200 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

/// A description of up to 2,000 characters; may span lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description(String);

/// Private notes of up to 10,000 characters; may span lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notes(String);

/// The constructor and accessor of a text value.
macro_rules! text_value {
    ($type:ident, $field:literal, $min:literal, $max:literal, multiline: $multiline:literal) => {
        impl $type {
            /// The most characters.
            pub const MAX: usize = $max;

            /// Trims and checks the text.
            pub fn new(value: &str) -> Result<Self, FieldError> {
                text($field, value, $min, $max, $multiline).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

text_value!(Title, "title", 1, 200, multiline: false);
text_value!(Description, "description", 0, 2_000, multiline: true);
text_value!(Notes, "notes", 0, 10_000, multiline: true);

/// How long an activity took: 1 minute to 30 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duration(u32);

impl Duration {
    /// The most minutes: 30 days.
    pub const MAX: u32 = 30 * 24 * 60;

    /// Checks a number of minutes.
    pub fn new(minutes: i64) -> Result<Self, FieldError> {
        match u32::try_from(minutes) {
            Ok(n) if (1..=Self::MAX).contains(&n) => Ok(Self(n)),
            _ => Err(FieldError::new("duration_minutes", format!("must be 1 to {} whole minutes", Self::MAX), minutes)),
        }
    }

    /// Minutes.
    pub fn minutes(self) -> u32 {
        self.0
    }
}

/// A distance of up to 100,000 km, kept in whole metres so that sums are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distance(u32);

impl Distance {
    /// The most kilometres.
    pub const MAX_KM: u32 = 100_000;

    /// Checks a number of kilometres and rounds it to the metre.
    pub fn from_km(km: f64) -> Result<Self, FieldError> {
        let metres = (km * 1_000.0).round();
        if km >= 0.0 && metres <= f64::from(Self::MAX_KM) * 1_000.0 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10^8, whole")]
            Ok(Self(metres as u32))
        } else {
            Err(FieldError::new("distance_km", format!("must be 0 to {} kilometres", Self::MAX_KM), km))
        }
    }

    /// Checks a number of metres.
    pub fn from_metres(metres: i64) -> Result<Self, FieldError> {
        match u32::try_from(metres) {
            Ok(m) if m <= Self::MAX_KM * 1_000 => Ok(Self(m)),
            _ => Err(FieldError::new("distance_km", format!("must be 0 to {} kilometres", Self::MAX_KM), metres)),
        }
    }

    /// Metres.
    pub fn metres(self) -> u32 {
        self.0
    }

    /// Kilometres, exact to the metre.
    pub fn km(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

/// Energy: 0 to 100,000 kcal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calories(u32);

impl Calories {
    /// The most kilocalories.
    pub const MAX: u32 = 100_000;

    /// Checks a number of kilocalories.
    pub fn new(kilocalories: i64) -> Result<Self, FieldError> {
        match u32::try_from(kilocalories) {
            Ok(n) if n <= Self::MAX => Ok(Self(n)),
            _ => Err(FieldError::new("calories_burned", format!("must be 0 to {} kcal", Self::MAX), kilocalories)),
        }
    }

    /// Kilocalories.
    pub fn kilocalories(self) -> u32 {
        self.0
    }
}

/// When an activity took place: from 1900 to a day from now (clocks and time zones differ).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActivityDate(Timestamp);

impl ActivityDate {
    /// 1900-01-01T00:00:00Z.
    const EARLIEST_SECOND: i64 = -2_208_988_800;

    /// Checks an instant against the present.
    pub fn new(at: Timestamp, now: Timestamp) -> Result<Self, FieldError> {
        let latest = now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(now);
        if at.as_second() < Self::EARLIEST_SECOND || at > latest {
            let rule = "must lie between 1900-01-01 and a day from now";
            return Err(FieldError::new("activity_date", rule, at));
        }
        Ok(Self(at))
    }

    /// Reads an RFC 3339 instant, or a date, which means its midnight in UTC. Kept to the microsecond.
    pub fn parse(value: &str, now: Timestamp) -> Result<Self, FieldError> {
        // jiff reads a date from the front of longer texts too: without an offset those are ambiguous.
        let day = (value.len() == "2026-03-12".len()).then(|| value.parse::<Date>().ok()).flatten();
        // The last day of the calendar has no midnight that fits: it is as absurd as any other far day.
        let midnight = || day.map(|d| d.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |z| z.timestamp()));
        // A date alone also is a prefix of an instant, so the instant goes first.
        match value.parse::<Timestamp>().ok().or_else(midnight) {
            Some(at) => Self::new(Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at), now),
            None => Err(FieldError::new(
                "activity_date",
                "must be an RFC 3339 instant (2026-03-12T18:00:00Z) or a date (2026-03-12)",
                value,
            )),
        }
    }

    /// A date that was checked before it was stored.
    pub fn stored(at: Timestamp) -> Self {
        Self(at)
    }

    /// The instant.
    pub fn instant(self) -> Timestamp {
        self.0
    }

    /// The day in UTC.
    pub fn day(self) -> Date {
        utc_day(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().expect("a valid instant")
    }

    #[test]
    fn types_are_normalised() {
        assert_eq!(ActivityType::new(" Trail Run ").map(|t| t.as_str().to_owned()), Ok("trail_run".to_owned()));
        for bad in ["", "1run", "läuft", "run;drop", "run\u{0}", &"x".repeat(41)] {
            assert!(ActivityType::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_names_field_rule_and_value() {
        let error = Title::new("bell\u{7}").expect_err("a control character");
        assert_eq!(error.to_string(), r#"title: must not hold control characters, holds U+0007; got "bell\u{7}""#);
        let error = Duration::new(0).expect_err("too short");
        assert_eq!(error.to_string(), "duration_minutes: must be 1 to 43200 whole minutes; got 0");
    }

    #[test]
    fn text_limits_count_characters_not_bytes() {
        assert!(Title::new(&"é".repeat(200)).is_ok());
        assert!(Title::new(&"é".repeat(201)).is_err());
        assert!(Title::new("   ").is_err());
        assert!(Notes::new("two\nlines\tand a tab").is_ok());
        assert!(Title::new("two\nlines").is_err());
    }

    #[test]
    fn distances_are_exact_to_the_metre() {
        assert_eq!(Distance::from_km(42.195).map(Distance::metres), Ok(42_195));
        assert_eq!(Distance::from_km(0.1 + 0.2).map(Distance::km), Ok(0.3));
        for bad in [-0.001, f64::NAN, f64::INFINITY, 100_000.001] {
            assert!(Distance::from_km(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dates_are_rfc_3339_or_a_day_and_never_absurd() {
        let read = |s: &str| ActivityDate::parse(s, now()).map(|d| d.instant().to_string());
        assert_eq!(read("2026-03-12"), Ok("2026-03-12T00:00:00Z".to_owned()));
        assert_eq!(read("2026-03-12T19:00:00+01:00"), Ok("2026-03-12T18:00:00Z".to_owned()));
        for bad in ["", "yesterday", "2026-02-30", "1899-12-31", "9999-12-31", "2026-11-23", "2026-03-12T18:00:00"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
