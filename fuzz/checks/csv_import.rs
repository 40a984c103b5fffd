//! Files to import: `activities.csv`, plain or gzipped.

use std::{
    io::{self, BufReader, Write},
    path::Path,
};

use activelog_domain::{
    activity::{ActivityDraft, Calories, Description, Distance, Duration, Notes, Title},
    user::UserId,
};
use activelog_interfaces::cli::import::{ImportRow, RecordReader, Refusal, RowEvent, Rows, SourceFile};
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use tempfile::NamedTempFile;
use uuid::Uuid;

/// When the import runs: 2026-11-21T12:00:00Z.
const NOW: Timestamp = Timestamp::constant(1_795_262_400, 0);

const USER: UserId = UserId(Uuid::from_u128(7));

/// What is read of a file: its rows and how reading them ended, or why it is no export.
type Import = Result<(Vec<RowEvent>, Result<(), String>), String>;

/// Every row is one that the domain accepts, or is refused with its line and a reason of one line; rows come in the order of the file;
/// how the file arrives changes nothing; and what was read can be written and read again.
pub(crate) fn check(input: &[u8]) {
    let whole = import(input);
    match &whole {
        Ok((rows, _)) => {
            let lines = 1 + input.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
            if !input.starts_with(&[0x1f, 0x8b]) {
                assert!(rows.len() < lines, "{} rows in {lines} lines", rows.len());
            }
            in_order(rows);
            rows.iter().for_each(holds);
            comes_back(rows);
        }
        Err(reason) => assert!(!reason.is_empty() && reason.len() <= 16 * 1_024, "{reason}"),
    }
    if !input.is_empty() && !input.starts_with(&[0x1f, 0x8b]) {
        assert_eq!(import(&gzipped(input)), whole, "gzipped, it is another file");
        records_agree(input);
    }
}

/// Reads a file as the program does.
fn import(content: &[u8]) -> Import {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(content).expect("room for it");
    read(file.path()).map_err(|reason| reason.replace(&*file.path().to_string_lossy(), "FILE"))
}

fn read(path: &Path) -> Import {
    let file = SourceFile::open(path).map_err(|error| error.to_string())?;
    let rows = Rows::open(file.text, USER, NOW).map_err(|error| error.to_string())?;
    let mut read = Vec::new();
    for row in rows.map_err(|error| error.to_string())? {
        match row {
            Ok(row) => read.push(row),
            Err(error) => return Ok((read, Err(error.to_string()))),
        }
    }
    Ok((read, Ok(())))
}

/// The same content gzipped, in two members, the first of which may hold very little.
fn gzipped(content: &[u8]) -> Vec<u8> {
    let (first, second) = content.split_at(content.len() % 7 % content.len());
    let mut file = Vec::new();
    for member in [first, second] {
        let mut encoder = GzEncoder::new(&mut file, Compression::none());
        encoder.write_all(member).expect("memory can be written");
        encoder.finish().expect("memory can be written");
    }
    file
}

fn line(row: &RowEvent) -> u64 {
    match row {
        RowEvent::Row(row) => row.line,
        RowEvent::Refused(refusal) => refusal.line,
    }
}

fn in_order(rows: &[RowEvent]) {
    assert!(rows.iter().map(line).all(|line| line >= 2), "the header is a row");
    assert!(rows.windows(2).all(|two| line(&two[0]) < line(&two[1])), "lines: {rows:?}");
}

fn is_id(id: &str) -> bool {
    (1..=100).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What is true of every row.
fn holds(row: &RowEvent) {
    let row = match row {
        RowEvent::Row(row) => row,
        RowEvent::Refused(Refusal { activity_id, reason, .. }) => {
            assert!(activity_id.as_deref().is_none_or(is_id), "{activity_id:?}");
            assert!(!reason.is_empty() && reason.len() <= 4_096, "{reason}");
            assert!(!reason.contains(char::is_control), "{reason:?}");
            return;
        }
    };
    let ImportRow { external_id, draft, .. } = &**row;
    assert!(is_id(external_id), "{external_id:?}");
    let text = |text: &str, max: usize| text.trim() == text && (1..=max).contains(&text.chars().count());
    assert!(text(draft.title.as_str(), Title::MAX) && !draft.title.as_str().contains(char::is_control), "{draft:?}");
    assert!(draft.description.as_ref().is_none_or(|d| text(d.as_str(), Description::MAX)), "{draft:?}");
    assert!(draft.notes.as_ref().is_none_or(|n| text(n.as_str(), Notes::MAX)), "{draft:?}");
    assert!((1..=Duration::MAX).contains(&draft.duration.minutes()), "{draft:?}");
    assert!(draft.distance.is_none_or(|d| (1..=Distance::MAX_KM * 1_000).contains(&d.metres())), "{draft:?}");
    assert!(draft.calories.is_none_or(|c| c.kilocalories() <= Calories::MAX), "{draft:?}");
    let date = draft.activity_date.instant().to_string();
    assert!(("1900-01-01T00:00:00Z"..="2026-11-22T12:00:00Z").contains(&&*date), "{date}");
    assert!(draft.user_id == USER && draft.tags.labels().len() == 0, "{draft:?}");
}

/// The rows that can be imported, written as an export has them, are read as the same.
fn comes_back(rows: &[RowEvent]) {
    let drafts: Vec<(&str, &ActivityDraft)> = rows
        .iter()
        .filter_map(|row| if let RowEvent::Row(row) = row { Some((&*row.external_id, &row.draft)) } else { None })
        .collect();
    if drafts.is_empty() {
        return;
    }
    let mut file = csv::Writer::from_writer(Vec::new());
    let header = "Activity ID,Activity Date,Activity Name,Activity Type,Activity Description,Elapsed Time,Distance,Calories,\
                  Activity Private Note,Elapsed Time,Distance";
    file.write_record(header.split(',')).expect("memory can be written");
    for (id, draft) in &drafts {
        let number = |n: Option<u32>| n.map_or_else(String::new, |n| n.to_string());
        let seconds = (draft.duration.minutes() * 60).to_string();
        file.write_record([
            *id,
            &draft.activity_date.instant().to_string(),
            draft.title.as_str(),
            draft.activity_type.as_str(),
            draft.description.as_ref().map_or("", |d| d.as_str()),
            &seconds,
            &draft.distance.map_or_else(String::new, |d| d.km().to_string()),
            &number(draft.calories.map(|c| c.kilocalories())),
            draft.notes.as_ref().map_or("", |n| n.as_str()),
            &seconds,
            &number(draft.distance.map(|d| d.metres())),
        ])
        .expect("memory can be written");
    }
    let (again, end) = import(&file.into_inner().expect("memory can be written")).expect("an export");
    assert_eq!(end, Ok(()));
    let again: Vec<_> = again
        .iter()
        .map(|row| match row {
            RowEvent::Row(row) => (&*row.external_id, &row.draft),
            RowEvent::Refused(refusal) => panic!("{refusal:?} of {drafts:?}"),
        })
        .collect();
    assert_eq!(again, drafts);
}

/// However few bytes arrive at a time, the records are the same, and those of the `csv` crate.
fn records_agree(input: &[u8]) {
    let whole = records(input, input.len()).expect("memory can be read");
    assert_eq!(records(input, 1 + input.len() % 5).expect("memory can be read"), whole);
    let mut theirs = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
    let mut theirs = theirs.byte_records().map(|record| record.expect("memory can be read"));
    for (line, record) in &whole {
        let record_of_theirs = theirs.next().expect("as many records");
        // Of what is left open, the crate makes a record.
        if let Some(cells) = record {
            assert!(record_of_theirs.iter().eq(cells.iter().map(Vec::as_slice)), "line {line}: {record_of_theirs:?}");
        }
    }
    assert!(theirs.next().is_none(), "more records than {}", whole.len());
}

/// Lines and cells; `None` for a record that cannot be used.
type Records = Vec<(u64, Option<Vec<Vec<u8>>>)>;

fn records(input: &[u8], at_a_time: usize) -> io::Result<Records> {
    let mut reader = RecordReader::new(BufReader::with_capacity(at_a_time, input));
    let mut records = Vec::new();
    while let Some((line, record)) = reader.next_record()? {
        records.push((line, record.ok().map(|record| record.cells().map(<[u8]>::to_vec).collect())));
    }
    Ok(records)
}
