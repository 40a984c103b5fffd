use std::time::Duration;

use config::ValueKind;
use jiff::SignedDuration;

use super::{Shown, setting::Setting};

/// How long something is kept: a duration, in hours and below or in days (`"14d"`), or `"off"` for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionAge(Option<Duration>);

const DAY: u64 = 86_400;

/// The longest that can be meant: 100 years.
const LONGEST: Duration = Duration::from_secs(36_500 * DAY);

impl RetentionAge {
    /// So many days.
    pub const fn days(days: u64) -> Self {
        Self(Some(Duration::from_secs(days * DAY)))
    }

    /// How long; `None` for ever.
    pub fn duration(self) -> Option<Duration> {
        self.0
    }

    /// Fails with the rule when it is shorter.
    pub(super) fn at_least(self, least: Duration) -> Result<(), String> {
        match self.0 {
            Some(age) if age < least => Err(format!("must be at least {}, or \"off\"", Self(Some(least)).show())),
            _ => Ok(()),
        }
    }
}

/// Days are not a unit that durations have, as some days have another length elsewhere; here a day has 24 hours.
fn days(text: &str) -> Option<Duration> {
    let number = text.strip_suffix("days").or_else(|| text.strip_suffix("day")).or_else(|| text.strip_suffix('d'))?;
    number.trim().parse::<u64>().ok()?.checked_mul(DAY).map(Duration::from_secs)
}

impl Setting for RetentionAge {
    fn read(value: &ValueKind) -> Result<Self, String> {
        const RULE: &str = "must be \"off\" or a duration with its unit, such as \"14d\" or \"36h\"";
        let ValueKind::String(text) = value else {
            // YAML reads a bare `off` as false.
            return if *value == ValueKind::Boolean(false) { Ok(Self(None)) } else { Err(RULE.to_owned()) };
        };
        let text = text.trim();
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self(None));
        }
        let read = || Duration::try_from(text.parse::<SignedDuration>().ok()?).ok();
        match days(text).or_else(read) {
            Some(age) if age.is_zero() => Err("must be longer than 0, or \"off\"".to_owned()),
            Some(age) if age > LONGEST => Err("must be at most 36500d, or \"off\"".to_owned()),
            Some(age) => Ok(Self(Some(age))),
            None => Err(RULE.to_owned()),
        }
    }

    fn show(&self) -> Shown {
        Shown::Text(match self.0 {
            None => "off".to_owned(),
            Some(age) if age.subsec_nanos() == 0 && age.as_secs() % DAY == 0 => format!("{}d", age.as_secs() / DAY),
            Some(age) => format!("{:#}", SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_duration_or_off_and_shown_as_it_is_read() {
        let read = |text: &str| RetentionAge::read(&ValueKind::String(text.to_owned()));
        for (text, age) in
            [("14d", Some(14 * DAY)), ("36h", Some(36 * 3_600)), ("2 days", Some(2 * DAY)), ("off", None)]
        {
            let found = read(text).expect(text);
            assert_eq!(found.duration(), age.map(Duration::from_secs), "{text}");
            assert_eq!(read(&found.show().to_string()), Ok(found), "{text}");
        }
        for bad in ["", "14", "d", "0d", "-1h", "40000d", "1fortnight", "99999999999999999999d"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(RetentionAge::read(&ValueKind::Boolean(false)), Ok(RetentionAge(None)));
    }
}
