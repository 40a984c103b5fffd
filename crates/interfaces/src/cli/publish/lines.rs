use std::io::{self, BufRead, Read};

/// The longest line: 16 MiB of data in base64, and room for the attributes.
pub(super) const LINE_MAX: u64 = 24 << 20;

/// A line of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its bytes, without the line feed.
    Whole(Vec<u8>),
    /// It is longer than `LINE_MAX`; what it holds was passed over.
    TooLong,
}

/// Lines of bounded length, with their numbers from 1. Blank ones are left out.
pub(super) struct Lines<R> {
    input: R,
    number: u64,
    most: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R, most: u64) -> Self {
        Self { input, number: 0, most }
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line)>> {
        loop {
            let mut line = Vec::new();
            let read = self.input.by_ref().take(self.most + 1).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if line.ends_with(b"\n") {
                line.pop();
            } else if line.len() as u64 > self.most {
                self.input.skip_until(b'\n')?;
                return Ok(Some((self.number, Line::TooLong)));
            }
            // What some editors put before the first line.
            let bom: &[u8] = if self.number == 1 { b"\xef\xbb\xbf" } else { b"" };
            let content = line.strip_prefix(bom).unwrap_or(&line);
            if !content.trim_ascii().is_empty() {
                return Ok(Some((self.number, Line::Whole(content.to_vec()))));
            }
        }
    }
}
