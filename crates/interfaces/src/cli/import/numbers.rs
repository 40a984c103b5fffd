use activelog_domain::validation::FieldError;

/// Reads a number as an export writes it: `1234.5`, or with commas between thousands `1,234.5`. `None` for an empty cell.
pub(super) fn number(field: &'static str, cell: &str) -> Result<Option<f64>, FieldError> {
    let text = cell.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let refused = || FieldError::new(field, "must be a number such as 1234.5 or 1,234.5", cell);
    let (sign, magnitude) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let grouped = groups.all(|group| group.len() == 3 && digits(group));
    let head = digits(first) && !first.is_empty() && (first.len() <= 3 || !whole.contains(','));
    // `.` alone is no number; `.5` is not what exports write.
    if !(grouped && head && digits(fraction)) {
        return Err(refused());
    }
    let plain = magnitude.replace(',', "");
    plain.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| Some(sign * n)).ok_or_else(refused)
}

/// Reads a number of seconds: a number, or `h:mm:ss` and `mm:ss`.
pub(super) fn seconds(field: &'static str, cell: &str) -> Result<Option<f64>, FieldError> {
    let text = cell.trim();
    if !text.contains(':') {
        return number(field, cell);
    }
    let refused = || FieldError::new(field, "must be seconds, or a time such as 1:02:03", cell);
    let parts: Vec<u32> = text.split(':').map(str::parse).collect::<Result<_, _>>().map_err(|_| refused())?;
    if parts.len() > 3 || parts.iter().skip(1).any(|part| *part > 59) {
        return Err(refused());
    }
    Ok(Some(parts.iter().fold(0.0, |sum, part| sum * 60.0 + f64::from(*part))))
}

/// A whole number for the domain to check; what is beyond its limits is beyond them afterwards.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and the domain refuses what is that large")]
pub(super) fn to_whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_and_without_separators() {
        for (cell, expected) in [
            ("", None),
            ("  ", None),
            ("0", Some(0.0)),
            ("1234.5", Some(1_234.5)),
            ("1,234.5", Some(1_234.5)),
            ("12,345,678", Some(12_345_678.0)),
            ("-3.25", Some(-3.25)),
            (" 7. ", Some(7.0)),
        ] {
            assert_eq!(number("n", cell), Ok(expected), "{cell}");
        }
        for bad in ["1,23", "1234,567", "1.234,5", "10,5", "abc", "NaN", "inf", "1e5", "--1", ".", ",", "1,,234", "+1"]
        {
            assert!(number("n", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds_may_be_a_time() {
        assert_eq!(seconds("s", "3,661.5"), Ok(Some(3_661.5)));
        assert_eq!(seconds("s", "1:02:03"), Ok(Some(3_723.0)));
        assert_eq!(seconds("s", "02:03"), Ok(Some(123.0)));
        for bad in ["1:60", "1:2:3:4", ":", "1:-2", "a:b"] {
            assert!(seconds("s", bad).is_err(), "{bad}");
        }
    }
}
