use activelog_domain::{activity::ActivityDate, validation::FieldError};
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

/// How exports write the time, all in UTC: by the language of the account and over the years.
const FORMATS: [&str; 10] = [
    "%b %d, %Y, %I:%M:%S %p",
    "%b %d, %Y, %H:%M:%S",
    "%b %d, %Y, %I:%M %p",
    "%b %d, %Y %I:%M:%S %p",
    "%b %d, %Y %H:%M:%S",
    "%d %b %Y, %H:%M:%S",
    "%d %b %Y, %I:%M:%S %p",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S UTC",
];

/// Reads an activity's date: `Mar 12, 2024, 6:00:00 PM` and its relatives in UTC, or ISO 8601 with or without an offset.
pub(super) fn date(cell: &str, now: Timestamp) -> Result<ActivityDate, FieldError> {
    // Newer exports put a narrow no-break space before PM.
    let text = cell.split_whitespace().map(short_month).collect::<Vec<_>>().join(" ");
    let instant = text.parse::<Timestamp>().ok().or_else(|| in_utc(&text));
    match instant {
        Some(at) => ActivityDate::new(Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at), now),
        None => Err(FieldError::new(
            "activity_date",
            "must be a time in UTC such as \"Mar 12, 2024, 6:00:00 PM\" or 2024-03-12T18:00:00Z",
            cell,
        )),
    }
}

/// A month's name as the formats have it: three letters.
fn short_month(word: &str) -> &str {
    const LONGER: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "June",
        "July",
        "August",
        "September",
        "Sept",
        "October",
        "November",
        "December",
    ];
    if LONGER.iter().any(|name| name.eq_ignore_ascii_case(word)) { word.get(..3).unwrap_or(word) } else { word }
}

fn in_utc(text: &str) -> Option<Timestamp> {
    let day_alone = || text.len() == "2024-03-12".len() && text.as_bytes().get(4) == Some(&b'-');
    let civil = FORMATS
        .iter()
        .find_map(|format| DateTime::strptime(format, text).ok())
        .or_else(|| if day_alone() { text.parse::<Date>().ok().map(DateTime::from) } else { None })?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_exports_write_them() {
        let now = "2026-11-21T12:00:00Z".parse().expect("a valid instant");
        let read = |text: &str| date(text, now).map(|d| d.instant().to_string());
        for (text, expected) in [
            ("Mar 12, 2024, 6:00:00 PM", "2024-03-12T18:00:00Z"),
            ("Mar 2, 2024, 12:00:05 AM", "2024-03-02T00:00:05Z"),
            ("Mar 2, 2024, 12:30:00 pm", "2024-03-02T12:30:00Z"),
            ("Mar 12, 2024, 6:00:00\u{202f}PM", "2024-03-12T18:00:00Z"),
            ("March 12, 2024, 6:00:00 PM", "2024-03-12T18:00:00Z"),
            ("Mar 12, 2024, 18:00:00", "2024-03-12T18:00:00Z"),
            ("12 Mar 2024, 18:00:00", "2024-03-12T18:00:00Z"),
            ("12 Sept 2024, 18:00:00", "2024-09-12T18:00:00Z"),
            ("2024-03-12 18:00:00", "2024-03-12T18:00:00Z"),
            ("2024-03-12T18:00:00Z", "2024-03-12T18:00:00Z"),
            ("2024-03-12T18:00:00+01:00", "2024-03-12T17:00:00Z"),
            ("2024-03-12", "2024-03-12T00:00:00Z"),
        ] {
            assert_eq!(read(text), Ok(expected.to_owned()), "{text}");
        }
        for bad in
            ["", "yesterday", "Feb 30, 2024, 6:00:00 PM", "Mar 12, 2024, 13:00:00 PM", "Mar 12, 1024, 6:00:00 PM"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
