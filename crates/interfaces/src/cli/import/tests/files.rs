use std::{fs, io::Write};

use flate2::{Compression, write::GzEncoder};
use tokio_util::sync::CancellationToken;

use super::{
    super::{DryRun, ImportSession, Stop},
    fixture::{Buffer, Fixture, args, export, import, now, options, row},
};
use crate::cli::OutputFormat;

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_ref()).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

#[tokio::test]
async fn gzipped_files_are_known_by_their_content() {
    let f = Fixture::new();
    let mut members = gzip(export(3));
    members.extend(gzip(format!("{}\n", row(4, "Second member", "60", "1"))));
    let report = f.import(&f.file("activities.csv.gz", &members)).await;
    assert_eq!((report.imported, report.stop), (4, Stop::Completed));
    let report = f.import(&f.file("activities.csv", &members)).await;
    assert_eq!((report.imported, report.skipped), (0, 4));
}

#[tokio::test]
async fn what_a_file_begins_with_may_arrive_byte_by_byte() {
    let f = Fixture::new();
    let marked = format!("\u{feff}{}", export(3));
    let (first, rest) = marked.as_bytes().split_at(1);
    let report = f.import(&f.file("a.csv.gz", [gzip(first), gzip(rest)].concat())).await;
    assert_eq!((report.imported, report.stop), (3, Stop::Completed));
    let zip = f.file("b.csv.gz", [gzip("P"), gzip("K\x03\x04…")].concat());
    let error = import(&zip, &f.importer, &CancellationToken::new()).await.expect_err("no export").to_string();
    assert!(error.contains("ZIP archive"), "{error}");
}

#[tokio::test]
async fn a_damaged_gzip_file_stops_the_import_and_says_so() {
    let f = Fixture::new();
    let whole = gzip(export(2_000));
    let report = f.import(&f.file("a.csv.gz", &whole[..whole.len() - 20])).await;
    let Stop::Failed(reason) = &report.stop else { panic!("{report:?}") };
    assert!(reason.starts_with("the file cannot be read further"), "{reason}");
    assert_eq!(report.imported, f.activities().await.len() as u64);
}

#[tokio::test]
async fn what_is_no_export_is_refused_before_anything_is_stored() {
    let f = Fixture::new();
    let folder = f.folder.path();
    fs::create_dir(folder.join("folder")).expect("a writable folder");
    for (args, expected) in [
        (args(folder.join("none.csv")), "none.csv: there is no such file"),
        (args(folder.join("folder")), "it is a folder"),
        (f.file("empty.csv", ""), "it is empty"),
        (f.file("export.zip", "PK\x03\x04…"), "ZIP archive: unpack it"),
        (f.file("a.csv.gz", "Activity ID\n"), "its name says gzip"),
        (f.file("b.csv.gz", [0x1f, 0x8b, 8, 0, 1]), "damaged gzip data"),
        (f.file("utf16.csv", b"\xff\xfeA\0"), "UTF-16"),
        (f.file("photo.csv", [0_u8; 5_000]), "\"Activity ID\" is missing"),
        (f.file("other.csv", "a,b\n1,2\n"), "\"Activity ID\" is missing; found: a, b"),
    ] {
        let error = import(&args, &f.importer, &CancellationToken::new()).await.expect_err("no export").to_string();
        assert!(error.contains(expected), "{expected} in {error}");
    }
    assert!(f.activities().await.is_empty());
}

#[tokio::test]
async fn refused_rows_are_all_in_the_report_and_the_json_document() {
    let f = Fixture::new();
    let mut text = export(2);
    for _ in 0..30 {
        text.push_str("too,short\n");
    }
    let mut args = f.file("a.csv", &text);
    let report_path = f.folder.path().join("refused.csv");
    args.report = Some(report_path.clone());
    args.output = OutputFormat::Json;
    let output = Buffer::default();
    let session = ImportSession::open(&args, Box::new(output.clone()), now()).expect("an export");
    let report = session.run(&f.importer, &options(), &CancellationToken::new()).await.expect("an import");
    assert_eq!((report.imported, report.refused, report.first_refused.len()), (2, 30, 20));
    let written = fs::read_to_string(report_path).expect("a report");
    assert_eq!(written.lines().count(), 31);
    assert!(written.starts_with("line,activity_id,reason\n4,,has 2 cells"), "{written}");
    let bytes = output.0.lock().expect("no panic").clone();
    let json: serde_json::Value = serde_json::from_slice(&bytes).expect("a JSON document");
    assert_eq!((&json["imported"], &json["refused"], &json["status"]), (&2.into(), &30.into(), &"completed".into()));
    let lines: Vec<_> = json["refused_rows"].as_array().expect("a list").iter().map(|r| r["line"].as_u64()).collect();
    assert_eq!(lines, (4..34).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn without_refused_rows_the_json_document_is_whole_too() {
    let f = Fixture::new();
    let mut args = f.file("a.csv", export(1));
    args.output = OutputFormat::Json;
    let output = Buffer::default();
    let session = ImportSession::open(&args, Box::new(output.clone()), now()).expect("an export");
    session.run(&f.importer, &options(), &CancellationToken::new()).await.expect("an import");
    let bytes = output.0.lock().expect("no panic").clone();
    let json: serde_json::Value = serde_json::from_slice(&bytes).expect("a JSON document");
    assert_eq!((&json["imported"], &json["refused_rows"]), (&1.into(), &serde_json::json!([])));
}

#[tokio::test]
async fn the_report_never_replaces_the_file_to_import() {
    let f = Fixture::new();
    let mut args = f.file("a.csv", export(1));
    args.report = Some(f.folder.path().join(".").join("a.csv"));
    let error = import(&args, &f.importer, &CancellationToken::new()).await.expect_err("refused").to_string();
    assert!(error.contains("it is the file to import"), "{error}");
    assert_eq!(fs::read_to_string(&args.file).expect("the file"), export(1));
}

#[tokio::test]
async fn a_dry_run_stores_nothing_and_counts_the_same() {
    let f = Fixture::new();
    let text = format!("{}{}\ntoo,short\n", export(3), row(2, "Again", "60", "1"));
    let mut args = f.file("a.csv", text);
    args.dry_run = true;
    let report = import(&args, &DryRun::default(), &CancellationToken::new()).await.expect("an export");
    assert_eq!((report.imported, report.skipped, report.refused), (3, 1, 1));
    assert!(f.activities().await.is_empty());
}
