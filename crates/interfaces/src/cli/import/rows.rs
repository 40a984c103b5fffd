use std::io::{self, BufRead};

use activelog_domain::user::UserId;
use jiff::Timestamp;

use super::{Columns, HeaderError, ImportRow, RecordReader, Refusal};

/// A row, good or bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowEvent {
    /// It can be imported.
    Row(Box<ImportRow>),
    /// It cannot.
    Refused(Refusal),
}

/// The rows of a file, one after the other.
pub struct Rows<R> {
    records: RecordReader<R>,
    columns: Columns,
    user: UserId,
    now: Timestamp,
}

impl<R: BufRead> Rows<R> {
    /// Reads the header. `now` is what dates are checked against.
    ///
    /// # Errors
    /// When reading fails, there is no header, or it lacks a column.
    pub fn open(text: R, user: UserId, now: Timestamp) -> io::Result<Result<Self, HeaderError>> {
        let mut records = RecordReader::new(text);
        let no_header = |found: &str| HeaderError { missing: "Activity ID", found: found.to_owned() };
        let header = match records.next_record()? {
            Some((_, Ok(header))) => header,
            Some((_, Err(error))) => return Ok(Err(no_header(&format!("the header {error}")))),
            None => return Ok(Err(no_header("the file holds no rows at all"))),
        };
        Ok(Columns::find(&header).map(|columns| Self { records, columns, user, now }))
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = io::Result<RowEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        let (line, record) = match self.records.next_record().transpose()? {
            Ok(read) => read,
            Err(error) => return Some(Err(error)),
        };
        let read = match record {
            Ok(record) => ImportRow::read(&self.columns, &record, self.user, self.now),
            Err(error) => Err((None, error.to_string())),
        };
        Some(Ok(match read {
            Ok(row) => RowEvent::Row(Box::new(row)),
            Err((activity_id, reason)) => RowEvent::Refused(Refusal { line, activity_id, reason }),
        }))
    }
}
