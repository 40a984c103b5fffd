//! Cursors: where a list goes on, as an opaque text. The first byte says which list, so that one list's cursor is not
//! taken for another's.

use activelog_application::{failures::BulkPoint, ports::JournalCursor};
use activelog_domain::statistics::Period;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

/// The lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Activities = 1,
    Notifications = 2,
    Leaderboard = 3,
    Events = 4,
    DeadLetters = 5,
    Parked = 6,
    Remedy = 7,
}

/// What a broken cursor is told.
pub(super) const RULE: &str = "must be a next_cursor of this list, unchanged";

/// After the item with this time and id.
pub(super) fn keyset(list: List, (at, id): (Timestamp, Uuid)) -> String {
    let mut bytes = Vec::with_capacity(25);
    bytes.push(list as u8);
    bytes.extend(at.as_microsecond().to_be_bytes());
    bytes.extend(id.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`keyset`] wrote.
pub(super) fn parse_keyset(list: List, text: &str) -> Option<(Timestamp, Uuid)> {
    let bytes = payload(list, text)?;
    let (at, id) = bytes.split_first_chunk::<8>()?;
    let at = Timestamp::from_microsecond(i64::from_be_bytes(*at)).ok()?;
    Some((at, Uuid::from_bytes(id.try_into().ok()?)))
}

/// From this number on.
pub(super) fn number(list: List, number: i64) -> String {
    let mut bytes = vec![list as u8];
    bytes.extend(number.to_be_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`number`] wrote.
pub(super) fn parse_number(list: List, text: &str) -> Option<i64> {
    let number = i64::from_be_bytes(payload(list, text)?.try_into().ok()?);
    (number >= 0).then_some(number)
}

/// Where a run over many dead letters goes on.
pub(super) fn bulk(BulkPoint { after, last, remaining }: BulkPoint) -> String {
    let mut bytes = vec![List::Remedy as u8];
    bytes.extend(after.to_be_bytes());
    bytes.extend(last.to_be_bytes());
    bytes.extend(remaining.to_be_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`bulk`] wrote.
pub(super) fn parse_bulk(text: &str) -> Option<BulkPoint> {
    let bytes = payload(List::Remedy, text)?;
    let (after, rest) = bytes.split_first_chunk()?;
    let (last, rest) = rest.split_first_chunk()?;
    let (after, last) = (i64::from_be_bytes(*after), i64::from_be_bytes(*last));
    let remaining = u64::from_be_bytes(rest.try_into().ok()?);
    (0 <= after && after < last).then_some(BulkPoint { after, last, remaining })
}

/// After this rank of the board of the period that starts on this day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BoardCursor {
    pub(super) period: Period,
    pub(super) start: Date,
    pub(super) rank: u64,
}

impl BoardCursor {
    pub(super) fn encode(self) -> String {
        let mut bytes = vec![List::Leaderboard as u8, self.period as u8];
        bytes.extend(self.start.year().to_be_bytes());
        bytes.extend(self.start.month().to_be_bytes());
        bytes.extend(self.start.day().to_be_bytes());
        bytes.extend(self.rank.to_be_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 13] = payload(List::Leaderboard, text)?.try_into().ok()?;
        let [period, y1, y2, month, day, rank @ ..] = bytes;
        let period = Period::ALL.into_iter().find(|p| *p as u8 == period)?;
        let signed = |byte: u8| i8::from_be_bytes([byte]);
        let start = Date::new(i16::from_be_bytes([y1, y2]), signed(month), signed(day)).ok()?;
        let rank = u64::from_be_bytes(rank);
        // Stores count in signed 64 bits.
        (i64::try_from(rank).is_ok() && period.start(start) == start).then_some(Self { period, start, rank })
    }
}

/// After these positions. Positions are short numbers mostly: seven bits to a byte.
pub(super) fn journal(cursor: &JournalCursor) -> String {
    let mut bytes = vec![List::Events as u8];
    for mut position in cursor.0 {
        loop {
            let low = u8::try_from(position & 0x7f).unwrap_or(0);
            position >>= 7;
            bytes.push(if position == 0 { low } else { low | 0x80 });
            if position == 0 {
                break;
            }
        }
    }
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`journal`] wrote.
pub(super) fn parse_journal(text: &str) -> Option<JournalCursor> {
    let bytes = payload(List::Events, text)?;
    let mut bytes = bytes.into_iter();
    let mut cursor = JournalCursor::default();
    for position in &mut cursor.0 {
        let mut shift = 0;
        loop {
            let byte = bytes.next()?;
            // Nine times seven bits: stores count in signed 64 bits.
            if shift > 56 {
                return None;
            }
            *position |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
    }
    bytes.next().is_none().then_some(cursor)
}

fn payload(list: List, text: &str) -> Option<Vec<u8>> {
    // The longest is the journal's: ten bytes for each partition would be more than there can be.
    const MAX: usize = 256;
    let mut bytes = (text.len() <= MAX).then(|| BASE64_URL_SAFE_NO_PAD.decode(text).ok()).flatten()?;
    (*bytes.first()? == list as u8).then(|| bytes.split_off(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_belong_to_one_list() {
        let at: Timestamp = "2026-03-12T18:00:00.123456Z".parse().expect("a valid instant");
        let text = keyset(List::Activities, (at, Uuid::from_u128(7)));
        assert_eq!(parse_keyset(List::Activities, &text), Some((at, Uuid::from_u128(7))));
        assert_eq!(parse_keyset(List::Notifications, &text), None);
        let start = jiff::civil::date(2026, 11, 16);
        let board = BoardCursor { period: Period::Week, start, rank: 300 };
        assert_eq!(BoardCursor::parse(&board.encode()), Some(board));
        let mut positions = JournalCursor::default();
        positions.0[3] = u64::try_from(i64::MAX).expect("positive");
        positions.0[15] = 128;
        assert_eq!(parse_journal(&journal(&positions)), Some(positions));
        assert_eq!(parse_number(List::Parked, &number(List::Parked, 7)), Some(7));
        assert_eq!(parse_number(List::DeadLetters, &number(List::Parked, 7)), None);
        let point = BulkPoint { after: 6, last: 900, remaining: 894 };
        assert_eq!(parse_bulk(&bulk(point)), Some(point));
    }

    #[test]
    fn broken_cursors_are_refused() {
        for bad in ["", "!", "AA", "BAAA", "BICAgICAgICAgICAgICAgICA", &"A".repeat(1_000)] {
            assert_eq!(parse_keyset(List::Activities, bad), None, "{bad}");
            assert_eq!(BoardCursor::parse(bad), None, "{bad}");
            assert_eq!(parse_journal(bad), None, "{bad}");
            assert_eq!(parse_number(List::Parked, bad), None, "{bad}");
            assert_eq!(parse_bulk(bad), None, "{bad}");
        }
    }
}
