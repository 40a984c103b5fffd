use std::io::BufReader;

use activelog_domain::activity::{ActivityDraft, Calories, Distance};
use proptest::prelude::*;

use super::{
    super::{RowEvent, Rows},
    fixture::{HEADER, USER, now, row},
};

fn read(text: &[u8]) -> Vec<RowEvent> {
    let rows = Rows::open(BufReader::new(text), USER, now()).expect("memory can be read").expect("a good header");
    rows.collect::<Result<_, _>>().expect("memory can be read")
}

fn drafts(text: &str) -> Vec<ActivityDraft> {
    let draft = |event| match event {
        RowEvent::Row(row) => row.draft,
        RowEvent::Refused(refusal) => panic!("refused: {refusal:?}"),
    };
    read(text.as_bytes()).into_iter().map(draft).collect()
}

/// Lines and reasons of the refused rows.
fn refusals(text: &[u8]) -> Vec<(u64, String)> {
    let refused = |event| match event {
        RowEvent::Refused(refusal) => Some((refusal.line, refusal.reason)),
        RowEvent::Row(_) => None,
    };
    read(text).into_iter().filter_map(refused).collect()
}

fn header_error(text: &str) -> String {
    let opened = Rows::open(BufReader::new(text.as_bytes()), USER, now()).expect("memory can be read");
    opened.err().expect("a bad header").to_string()
}

const SHORT: &str = "Activity ID,Activity Date,Activity Name,Activity Type,Elapsed Time";

#[test]
fn a_row_of_a_full_export() {
    let text = format!("\u{feff}{HEADER}\r\n{}\r\n", row(11, "\"Tempo, \"\"hard\"\"\"", "1801", "5012.3"));
    let [draft] = drafts(&text).try_into().expect("one row");
    assert_eq!(draft.title.as_str(), "Tempo, \"hard\"");
    assert_eq!(draft.activity_type.as_str(), "run");
    assert_eq!(draft.description, None);
    assert_eq!(draft.duration.minutes(), 31);
    assert_eq!(draft.distance.map(Distance::metres), Some(5_012));
    assert_eq!(draft.calories.map(Calories::kilocalories), Some(372));
    assert_eq!(draft.activity_date.instant().to_string(), "2024-03-12T18:00:00Z");
}

#[test]
fn columns_are_found_by_name_in_any_order() {
    let text = "Calories,Distance,Activity Type,Elapsed Time,Activity Description,Activity Name,Activity ID,Activity Date\n\
                ,\"1,234.5\",Trail Run,\"3,600\",\"two\nlines\",Long,9,2024-03-12\n";
    let [draft] = drafts(text).try_into().expect("one row");
    assert_eq!(draft.distance.map(Distance::km), Some(1_234.5));
    assert_eq!(draft.duration.minutes(), 60);
    assert_eq!((draft.activity_type.as_str(), draft.calories), ("trail_run", None));
    assert_eq!(draft.description.map(|d| d.as_str().to_owned()).as_deref(), Some("two\nlines"));
}

#[test]
fn private_notes_are_kept_as_notes() {
    let notes = |cell: &str| {
        let text = format!("{SHORT},Activity Private Note\n1,2024-03-12,Run,Run,60,{cell}\n");
        let [draft] = drafts(&text).try_into().expect("one row");
        draft.notes.map(|notes| notes.as_str().to_owned())
    };
    assert_eq!(notes("\"left knee, again\nrest\"").as_deref(), Some("left knee, again\nrest"));
    assert_eq!(notes(" "), None);
    let [without] = drafts(&format!("{SHORT}\n1,2024-03-12,Run,Run,60\n")).try_into().expect("one row");
    assert_eq!(without.notes, None);
    for (cell, reason) in
        [("x".repeat(10_001), "notes: must"), ("bell \u{7}".to_owned(), "notes: must not hold control")]
    {
        let text =
            format!("{SHORT},Activity Private Note\n1,2024-03-12,Run,Run,60,{cell}\n2,2024-03-12,Run,Run,60,fine\n");
        let refused = refusals(text.as_bytes());
        assert!(matches!(&refused[..], [(2, told)] if told.starts_with(reason)), "{refused:?}");
    }
}

#[test]
fn kilometres_and_metres_are_told_apart() {
    let metres = |header: &str, cells: &str| {
        let text = format!("{SHORT},{header}\n1,2024-03-12,Run,Run,60,{cells}\n");
        let [draft] = drafts(&text).try_into().expect("one row");
        draft.distance.map(Distance::metres)
    };
    assert_eq!(metres("Distance,Distance", "5.01,5012.3"), Some(5_012));
    assert_eq!(metres("Distance,Distance", "5.01,"), Some(5_010));
    assert_eq!(metres("Distance,Distance", "unreadable,5012.3"), Some(5_012));
    assert_eq!(metres("Distance,Distance", "5012.3,5.01"), Some(5_012), "the columns were swapped");
    assert_eq!(metres("Distance,Distance", "1500,1500.0"), Some(1_500), "swims are displayed in metres");
    assert_eq!(metres("Distance,Distance", "0,0.0"), None);
    assert_eq!(metres("Distance,Distance", ","), None);
    assert_eq!(metres("Distance", "5.01"), Some(5_010));
    assert_eq!(metres("Distance", "0.00"), None);
    assert_eq!(metres("Gear", "x"), None);
}

#[test]
fn times_become_whole_minutes_of_at_least_one() {
    let minutes = |header: &str, cells: &str| {
        let text = format!("{SHORT},{header}\n1,2024-03-12,Run,Run,{cells}\n");
        let [draft] = drafts(&text).try_into().expect("one row");
        draft.duration.minutes()
    };
    assert_eq!(minutes("Elapsed Time", "3600,3601.0"), 61);
    assert_eq!(minutes("Elapsed Time", "3600,"), 60);
    assert_eq!(minutes("Elapsed Time", "0,0"), 1);
    assert_eq!(minutes("Moving Time", ",61"), 2);
    assert_eq!(minutes("Gear", "1:00:01,x"), 61);
}

#[test]
fn an_activity_without_a_name_is_called_what_it_is() {
    let [draft] = drafts(&format!("{SHORT}\n1,2024-03-12,,Weight Training,60\n")).try_into().expect("one row");
    assert_eq!((draft.title.as_str(), draft.activity_type.as_str()), ("Weight Training", "weight_training"));
}

#[test]
fn bad_rows_are_refused_with_line_and_reason_and_the_rest_is_read() {
    let mut text = format!("{SHORT},Calories\n1,2024-03-12,ok,Run,60,\n").into_bytes();
    for line in [
        &b"2,2024-03-12,short,Run"[..],
        b"3,2024-03-12,long,Run,60,,,",
        b"4,2024-03-12,caf\xe9,Run,60,",
        b",2024-03-12,no id,Run,60,",
        b"6,soon,bad date,Run,60,",
        b"7,2024-03-12,no time,Run,,",
        b"8,2024-03-12,many,R\xc3\xa4d,abc,-5",
        b"9,1024-03-12,too old,Run,60,",
        b"10,2024-03-12,\"two\nlines\",Run,60,",
        b"11,2024-03-12,too slow,Run,9999999999999999999999,",
    ] {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(b"12,2024-03-12,ok,Run,60,\n13,2024-03-12,\"open,Run,60,\n");
    let refused = refusals(&text);
    for (line, reason) in [
        (3, "has 4 cells where the header has 6"),
        (4, "has 8 cells where the header has 6"),
        (5, "holds bytes that are not UTF-8"),
        (6, "Activity ID: must be 1 to 100"),
        (
            7,
            "activity_date: must be a time in UTC such as \"Mar 12, 2024, 6:00:00 PM\" or 2024-03-12T18:00:00Z; got \"soon\"",
        ),
        (8, "duration_minutes: must be given as Elapsed Time"),
        (9, "duration_minutes: must be a number such as 1234.5 or 1,234.5; got \"abc\". calories_burned: must be 0 to"),
        (10, "activity_date: must lie between 1900"),
        (11, "title: must not hold control characters"),
        (13, "duration_minutes: must be 1 to 43200"),
        (15, "a quotation mark is left open"),
    ] {
        assert!(refused.iter().any(|(l, r)| *l == line && r.contains(reason)), "{line} {reason} in {refused:#?}");
    }
    assert_eq!(refused.len(), 11);
    assert_eq!(read(&text).len(), 13);
}

#[test]
fn a_missing_column_is_named_beside_those_found() {
    let error = header_error("Activity ID,Activity Date,Name,Activity Type,Elapsed Time\n");
    assert!(error.contains("\"Activity Name\" is missing; found: Activity ID, Activity Date, Name"), "{error}");
    assert!(header_error("Activity ID;Activity Date\n").contains("separated by commas"));
    assert!(header_error("\n\n").contains("no rows"));
    assert!(header_error("\"open").contains("left open"));
    let long = header_error(&format!("{}\u{1b}[2J", "x,".repeat(5_000)));
    assert!(long.len() < 500 && long.contains("and 4981 more"), "{long}");
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut text = format!("{SHORT},Distance,Distance,Calories\n").into_bytes();
        text.extend_from_slice(&bytes);
        read(&text);
        if let Ok(Ok(rows)) = Rows::open(BufReader::new(&bytes[..]), USER, now()) {
            prop_assert!(rows.count() < 300);
        }
    }

    #[test]
    fn any_cells_never_panic(cells in proptest::collection::vec("\\PC{0,12}|[-0-9.,:e]{0,25}", 8)) {
        let quoted: Vec<String> = cells.iter().map(|c| format!("\"{}\"", c.replace('"', "\"\""))).collect();
        let events = read(format!("{SHORT},Distance,Distance,Calories\n{}\n", quoted.join(",")).as_bytes());
        prop_assert_eq!(events.len(), 1);
    }
}
