use std::io::{self, BufRead, Cursor, Read};

/// The largest record, in bytes. An export's longest hold a description of some kilobytes.
pub const MAX_RECORD: usize = 256 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A record: the cells of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The line it begins on, from 1.
    pub line: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// A record cannot be used. The next one can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is larger than [`MAX_RECORD`].
    #[error("is larger than {} KiB: is a quotation mark left open?", MAX_RECORD / 1024)]
    TooLarge,
    /// The file ends within quotation marks.
    #[error("a quotation mark is left open to the end of the file")]
    OpenQuote,
}

impl Record {
    /// How many cells it has.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A cell.
    pub fn cell(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.bytes.get(start..end)
    }

    /// All cells.
    pub fn cells(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.cell(index))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    RecordStart,
    CellStart,
    Plain,
    Quoted,
    QuoteInQuoted,
}

/// Cuts text into records as RFC 4180 says, in memory bounded by [`MAX_RECORD`] whatever the text holds; that and the
/// going on after a record that is too large are why this does not leave it to the `csv` crate, with which it
/// otherwise agrees (a property test compares them). Empty lines are no records. A byte order mark at the start is dropped.
pub struct RecordReader<R> {
    /// What was read to see whether there is a byte order mark.
    head: Cursor<Vec<u8>>,
    input: R,
    line: u64,
    begun: bool,
    after_cr: bool,
}

impl<R: BufRead> RecordReader<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Self {
        Self { head: Cursor::default(), input, line: 1, begun: false, after_cr: false }
    }

    /// The next record, with the line it begins on; `None` at the end.
    ///
    /// # Errors
    /// When reading fails. Records that cannot be used are not errors here.
    pub fn next_record(&mut self) -> io::Result<Option<(u64, Result<Record, RecordError>)>> {
        self.skip_byte_order_mark()?;
        let mut building =
            Building { state: State::RecordStart, bytes: Vec::new(), ends: Vec::new(), too_large: false };
        let mut first_line = self.line;
        loop {
            let input: &mut dyn BufRead =
                if self.head.fill_buf()?.is_empty() { &mut self.input } else { &mut self.head };
            let chunk = match input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                return Ok(building.at_end(first_line));
            }
            let mut used = 0;
            let mut ended = false;
            for &byte in chunk {
                used += 1;
                // A line ends with LF, CR or both; both together are one.
                let second_of_pair = byte == b'\n' && self.after_cr;
                self.after_cr = byte == b'\r';
                self.line += u64::from(matches!(byte, b'\r' | b'\n') && !second_of_pair);
                if second_of_pair && building.state != State::Quoted {
                    continue;
                }
                ended = building.take(byte);
                if ended {
                    break;
                }
                if building.state == State::RecordStart {
                    first_line = self.line;
                }
            }
            input.consume(used);
            if ended {
                return Ok(Some((first_line, building.finish(first_line))));
            }
        }
    }

    fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            // It may arrive in pieces: from a pipe, or out of several gzip members.
            let mut head = Vec::new();
            self.input.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut head)?;
            if head != BYTE_ORDER_MARK {
                self.head = Cursor::new(head);
            }
        }
        Ok(())
    }
}

struct Building {
    state: State,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    too_large: bool,
}

impl Building {
    /// Takes a byte. `true`: it ended the record.
    fn take(&mut self, byte: u8) -> bool {
        let line_end = matches!(byte, b'\r' | b'\n');
        self.state = match (self.state, byte) {
            (State::RecordStart, _) if line_end => State::RecordStart,
            (State::RecordStart | State::CellStart, b'"') => State::Quoted,
            (State::Quoted, b'"') => State::QuoteInQuoted,
            (State::Quoted, _) => {
                self.push(byte);
                State::Quoted
            }
            (State::QuoteInQuoted, b'"') => {
                self.push(byte);
                State::Quoted
            }
            (_, b',') => {
                self.end_cell();
                State::CellStart
            }
            (_, _) if line_end => {
                self.end_cell();
                return true;
            }
            _ => {
                self.push(byte);
                State::Plain
            }
        };
        false
    }

    fn push(&mut self, byte: u8) {
        if self.bytes.len() + self.ends.len() < MAX_RECORD { self.bytes.push(byte) } else { self.give_up() }
    }

    fn end_cell(&mut self) {
        if self.bytes.len() + self.ends.len() < MAX_RECORD { self.ends.push(self.bytes.len()) } else { self.give_up() }
    }

    /// The rest is read past, and kept no more.
    fn give_up(&mut self) {
        self.too_large = true;
    }

    fn finish(self, line: u64) -> Result<Record, RecordError> {
        if self.too_large {
            return Err(RecordError::TooLarge);
        }
        Ok(Record { line, bytes: self.bytes, ends: self.ends })
    }

    fn at_end(mut self, line: u64) -> Option<(u64, Result<Record, RecordError>)> {
        match self.state {
            State::RecordStart => return None,
            State::Quoted if !self.too_large => return Some((line, Err(RecordError::OpenQuote))),
            _ => self.end_cell(),
        }
        Some((line, self.finish(line)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    type Read = Vec<(u64, Result<Vec<Vec<u8>>, RecordError>)>;

    fn read(text: &[u8], buffer: usize) -> Read {
        let mut reader = RecordReader::new(BufReader::with_capacity(buffer, Cursor::new(text)));
        let mut records = Vec::new();
        while let Some((line, record)) = reader.next_record().expect("memory can be read") {
            records.push((line, record.map(|r| r.cells().map(<[u8]>::to_vec).collect())));
        }
        records
    }

    fn cells(cells: &[&str]) -> Result<Vec<Vec<u8>>, RecordError> {
        Ok(cells.iter().map(|c| c.as_bytes().to_vec()).collect())
    }

    #[test]
    fn cells_lines_and_quotes() {
        let text = b"\xef\xbb\xbfa,b\r\n\r\n\"x, \"\"y\"\"\r\nz\",5\" tall\n\nlast,\"\"";
        for buffer in [1, 2, 3, 4, 5, 7, 100] {
            assert_eq!(
                read(text, buffer),
                vec![(1, cells(&["a", "b"])), (3, cells(&["x, \"y\"\r\nz", "5\" tall"])), (6, cells(&["last", ""])),]
            );
        }
    }

    #[test]
    fn a_record_that_is_too_large_is_refused_and_the_next_one_read() {
        let text = format!("a,b\n\"{}\",1\nc,d\n\"open,\n", "x".repeat(MAX_RECORD));
        assert_eq!(
            read(text.as_bytes(), 8_192),
            vec![
                (1, cells(&["a", "b"])),
                (2, Err(RecordError::TooLarge)),
                (3, cells(&["c", "d"])),
                (4, Err(RecordError::OpenQuote)),
            ]
        );
        let many_cells = ",".repeat(MAX_RECORD + 10);
        assert_eq!(read(many_cells.as_bytes(), 8_192), vec![(1, Err(RecordError::TooLarge))]);
    }

    proptest! {
        /// On everything but an open quotation mark, where the `csv` crate makes a record of what there is.
        #[test]
        fn agrees_with_the_csv_crate(text in "[ab,\"\r\n]{0,60}", buffer in 1_usize..20) {
            let mut theirs = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let theirs: Vec<Vec<Vec<u8>>> = theirs
                .byte_records()
                .map(|r| r.expect("memory can be read").iter().map(<[u8]>::to_vec).collect())
                .collect();
            let ours = read(text.as_bytes(), buffer);
            let open = matches!(ours.last(), Some((_, Err(RecordError::OpenQuote))));
            let ours: Vec<_> = ours.into_iter().filter_map(|(_, r)| r.ok()).collect();
            let count = theirs.len() - usize::from(open);
            prop_assert_eq!(ours, &theirs[..count]);
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            read(&bytes, 16);
        }
    }
}
