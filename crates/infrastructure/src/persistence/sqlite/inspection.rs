use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use activelog_application::ports::Finding;
use sqlx::{Connection, SqliteConnection};

use super::{database::explain, options, permissions, schema};
use crate::persistence::{DatabaseReport, report};

/// What every SQLite file that has anything in it begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Looks at the database in a file without changing it. `least_free` is how much room on the disk is little, in bytes.
pub async fn inspect(path: &Path, timeout: Duration, least_free: u64) -> DatabaseReport {
    let mut report = DatabaseReport::default();
    let owned = path.to_owned();
    // File systems may take their time.
    let looked = tokio::task::spawn_blocking(move || look(&owned, least_free)).await;
    let Ok(looked) = looked else { return report };
    report.permissions = looked.permissions;
    report.findings = looked.findings;
    if let Some(header) = looked.header {
        read(path, timeout, &header, &mut report).await;
    }
    report
}

/// What can be seen from outside of the file.
struct Looked {
    findings: Vec<Finding>,
    permissions: Vec<Finding>,
    /// The beginning of the file, if it is there.
    header: Option<Vec<u8>>,
}

fn look(path: &Path, least_free: u64) -> Looked {
    let (mut findings, header) = match header(path) {
        Ok(header) => (Vec::new(), Some(header)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (vec![missing(path)], None),
        Err(error) => (vec![unreadable(path, &error)], None),
    };
    let folder = existing_folder(path);
    findings.extend(room(&folder, least_free));
    let permissions = permissions::of(path, &folder, header.is_some());
    Looked { findings, permissions, header }
}

fn header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::new();
    std::fs::File::open(path)?.take(100).read_to_end(&mut header)?;
    Ok(header)
}

/// The folder of the file, or the nearest above it that is there.
fn existing_folder(path: &Path) -> PathBuf {
    let above = path.ancestors().skip(1).map(|folder| match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    });
    above.into_iter().find(|folder| folder.exists()).unwrap_or_else(|| Path::new(".")).to_owned()
}

fn missing(path: &Path) -> Finding {
    Finding::warning(
        format!("there is no database at {} yet", path.display()),
        "`activelog serve` and `activelog migrate` make it when they start; everything else refuses to",
        "start one of them, or name another with --data-dir or --database-url",
    )
}

fn unreadable(path: &Path, error: &io::Error) -> Finding {
    Finding::error(
        format!("the database at {} cannot be read: {error}", path.display()),
        "nothing can work without it",
        "make the file and its folder readable and writable for the user that runs activelog",
    )
}

/// How much room is left.
fn room(folder: &Path, least_free: u64) -> Option<Finding> {
    const MIB: u64 = 1 << 20;
    const COMFORT: u64 = 1 << 30;
    let free = fs4::available_space(folder).ok()?;
    let what = format!("{} MiB are free on the disk of {}", free / MIB, folder.display());
    Some(match free {
        free if free < least_free => Finding::error(
            what,
            "writes are refused (backpressure.min_free_disk)",
            "free some, or move the database to a larger disk",
        ),
        free if free < COMFORT.max(least_free) => Finding::warning(
            what,
            "an activity takes about 2 kB and more while it is journaled: the disk may soon be full, and writes are refused then",
            "free some, or move the database to a larger disk",
        ),
        _ => Finding::ok(what),
    })
}

/// Reads what the database says of itself.
async fn read(path: &Path, timeout: Duration, header: &[u8], report: &mut DatabaseReport) {
    let shown = path.display();
    if !header.is_empty() && !header.starts_with(MAGIC) {
        report.findings.push(Finding::error(
            format!("{shown} is not a SQLite database"),
            "nothing can work on it",
            "point --database-url or --data-dir elsewhere",
        ));
        return;
    }
    match ask(path, timeout).await {
        Ok((version, found)) => {
            report.findings.insert(0, Finding::ok(format!("SQLite {version}, {shown}")));
            let (finding, current) = report::schema(found, schema::known());
            report.findings.push(finding);
            report.usable = current;
            report.findings.extend((found > 0).then(|| durability(header)));
        }
        Err(error) => report.findings.push(Finding::error(
            format!("the database at {shown} cannot be opened"),
            "nothing can work without it",
            explain(&error),
        )),
    }
}

/// Bytes 18 and 19 of the file are 2 when it has a write-ahead log.
fn durability(header: &[u8]) -> Finding {
    match header.get(18..20) {
        Some([2, 2]) => Finding::ok("it has a write-ahead log; activelog syncs every commit (synchronous=FULL)"),
        _ => Finding::warning(
            "it has no write-ahead log at the moment",
            "another program has changed its journal mode; activelog sets it back when it opens it",
            "nothing, unless that program does so while activelog runs",
        ),
    }
}

/// The version of SQLite and that of the schema.
async fn ask(path: &Path, timeout: Duration) -> Result<(String, i64), sqlx::Error> {
    // Nobody has it open where there is no log. Then it is read as a file that does not change: otherwise SQLite would make its other files.
    let log = path.with_file_name(format!("{}-wal", path.file_name().unwrap_or_default().to_string_lossy()));
    let options = options::reading(path, timeout).immutable(!log.exists());
    let asking = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await?;
        let found = schema::found(&mut connection).await?;
        // Closing in order is a courtesy: nothing depends on it.
        let _ = connection.close().await;
        Ok((version, found))
    };
    tokio::time::timeout(timeout, asking).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
