use std::time::Duration;

use activelog_application::ports::{Clock, Finding};
use jiff::{SignedDuration, Timestamp};
use sqlx::{ConnectOptions, Connection, PgConnection, Row, postgres::PgRow};
use tokio::time::Instant;

use super::{
    migrations::{self, known_version},
    options::PgOptions,
};
use crate::{
    clock::SystemClock,
    persistence::{DatabaseReport, report::schema},
};

/// How long the server may take in all.
const LIMIT: Duration = Duration::from_secs(10);

/// The settings that are looked at, and the server's clock in microseconds.
const ASK: &str = "SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync, \
     current_setting('full_page_writes') AS full_page_writes, current_setting('synchronous_commit') AS synchronous_commit, \
     pg_is_in_recovery() AS standby, current_setting('max_connections')::int8 AS connections, \
     current_setting('superuser_reserved_connections')::int8 AS reserved, \
     (extract(epoch FROM clock_timestamp()) * 1000000)::int8 AS clock";

/// Looks at a database without changing it.
pub async fn inspect(options: &PgOptions) -> DatabaseReport {
    let asked = tokio::time::timeout(LIMIT, ask(options)).await;
    asked.unwrap_or_else(|_| DatabaseReport {
        findings: vec![Finding::error(
            format!("PostgreSQL has not answered within {} s", LIMIT.as_secs()),
            "nothing can work without it",
            "check that the server is well, and that the network to it is",
        )],
        ..DatabaseReport::default()
    })
}

async fn ask(options: &PgOptions) -> DatabaseReport {
    let mut report = DatabaseReport::default();
    let connect = match options.driver_options() {
        Ok(connect) => connect,
        Err(error) => {
            let error = Finding::error(error.to_string(), "nothing can work without a database", "correct the URL");
            report.findings.push(error);
            return report;
        }
    };
    let location = PgOptions::location(&connect);
    let asked = async {
        let mut connection = connect.connect().await?;
        look(&mut connection, options, &location, &mut report).await?;
        let _ = connection.close().await;
        Ok::<_, sqlx::Error>(())
    };
    if let Err(error) = asked.await {
        let (cause, advice) = migrations::explain(&connect, error);
        let what = format!("the database at {location} cannot be opened: {cause}");
        report.findings.push(Finding::error(what, "nothing can work without it", advice));
        report.usable = false;
    }
    report
}

async fn look(
    connection: &mut PgConnection,
    options: &PgOptions,
    location: &str,
    report: &mut DatabaseReport,
) -> Result<(), sqlx::Error> {
    let (begun, asked_at) = (Instant::now(), SystemClock.now());
    let row = sqlx::query(ASK).fetch_one(&mut *connection).await?;
    let round_trip = begun.elapsed();
    let told = Timestamp::from_microsecond(row.try_get("clock")?).ok();
    let half = SignedDuration::try_from(round_trip / 2).unwrap_or_default();
    report.clock_ahead = told.map(|told| told.duration_since(asked_at) - half);
    let version: String = row.try_get("version")?;
    let millis = round_trip.as_secs_f64() * 1e3;
    report.findings.push(Finding::ok(format!("PostgreSQL {version}, {location}; round trip {millis:.2} ms")));
    report.findings.extend(durability(&row)?);
    report.findings.extend(connections(options, &row)?);
    let found = migrations::found_version(connection).await?;
    let (finding, current) = schema(found, known_version());
    report.findings.push(finding);
    report.usable = current && !row.try_get::<bool, _>("standby")?;
    Ok(())
}

/// What is to be said of the settings that keep what was committed.
fn durability(row: &PgRow) -> Result<Vec<Finding>, sqlx::Error> {
    let (fsync, pages): (String, String) = (row.try_get("fsync")?, row.try_get("full_page_writes")?);
    let commit: String = row.try_get("synchronous_commit")?;
    let mut findings = Vec::new();
    if fsync != "on" {
        findings.push(Finding::error(
            "fsync is off",
            "after a loss of power the database may be damaged, and what was accepted is lost",
            "set `fsync = on` in postgresql.conf",
        ));
    }
    if pages != "on" {
        findings.push(Finding::error(
            "full_page_writes is off",
            "after a loss of power the database may be damaged",
            "set `full_page_writes = on` in postgresql.conf, unless the file system cannot tear a page",
        ));
    }
    if commit == "off" {
        findings.push(Finding::error(
            "synchronous_commit is off",
            "what was accepted last is lost when the server crashes",
            "set `synchronous_commit = on` for the server, this database and this user",
        ));
    }
    if row.try_get::<bool, _>("standby")? {
        findings.push(Finding::error(
            "the server is a standby",
            "it can be read and not be written",
            "point the URL at the primary (target_session_attrs=read-write)",
        ));
    }
    if findings.is_empty() {
        let what = format!("commits are synced (fsync, full_page_writes, synchronous_commit={commit})");
        findings.push(Finding::ok(what));
    }
    Ok(findings)
}

/// Whether the server has connections enough for one process.
fn connections(options: &PgOptions, row: &PgRow) -> Result<Option<Finding>, sqlx::Error> {
    let (there, reserved): (i64, i64) = (row.try_get("connections")?, row.try_get("reserved")?);
    let wanted = i64::from(options.most_connections());
    Ok((wanted > there - reserved).then(|| {
        Finding::warning(
            format!("one process may open {wanted} connections, and the server gives {}", there - reserved),
            "under load requests wait, or fail with 503",
            "raise the server's max_connections, or lower storage.max_connections",
        )
    }))
}
