//! Waits until nothing moves any more, and then reads everything that the oracle is to see.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::ports::Queries,
    ports::{IdGenerator, JOURNAL_PAGE_MAX, Journal, JournalEntry, PARTITIONS, Partition},
    testing::matches_recomputation,
};
use activelog_infrastructure::id_generator::UuidV7Generator;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    database::Database,
    log::ClientLog,
    oracle::{Dead, Evidence, LedgerLine, PROJECTING, Published, Stored},
};

/// What is still to be done: events to be published, partitions that are behind, parked events in lanes that nobody has to wait for. One statement, one
/// snapshot. It is the events of a lane that count: one whose handler blocks takes its time with each, and that is no standstill.
const UNDONE: &str = "SELECT CAST((SELECT count(*) FROM outbox) AS bigint), \
     CAST((SELECT coalesce(sum(h.position - coalesce((SELECT g.position FROM group_positions g \
         WHERE g.group_name = 'activelog' AND g.partition = h.partition), 0)), 0) FROM journal_heads h) AS bigint), \
     CAST((SELECT count(*) FROM parked_lanes l LEFT JOIN parked p \
         ON p.handler = l.handler AND p.partition_key = l.partition_key WHERE l.holders = 0) AS bigint)";

/// The same with a broker that is a server, which keeps positions of its own: handlers that have neither taken an event nor were given up on with it.
const UNDONE_ELSEWHERE: &str = "SELECT CAST((SELECT count(*) FROM outbox) AS bigint), \
     CAST((SELECT count(*) FROM journal j CROSS JOIN (VALUES \
         ('achievements'), ('leaderboard'), ('period-statistics'), ('fault-ledger')) AS h (name) \
         WHERE NOT EXISTS (SELECT 1 FROM inbox i WHERE i.handler = h.name AND i.event_id = j.event_id) \
         AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.handler = h.name AND d.event_id = j.event_id) \
         AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.handler = h.name AND p.event_id = j.event_id)) AS bigint), \
     CAST((SELECT count(*) FROM parked_lanes l LEFT JOIN parked p \
         ON p.handler = l.handler AND p.partition_key = l.partition_key WHERE l.holders = 0) AS bigint)";

/// Waits until everything is published, and handled or given up on. Fails when nothing has moved for so long: how fast it goes depends on the machine.
pub(crate) async fn drained(database: &Database, elsewhere: bool, patience: Duration) -> Result<(), String> {
    let undone = if elsewhere { UNDONE_ELSEWHERE } else { UNDONE };
    let (mut moved, mut least, mut last) = (Instant::now(), i64::MAX, String::new());
    while moved.elapsed() < patience {
        let asked = Instant::now();
        match database.rows::<(i64, i64, i64)>(undone).await.as_deref() {
            Ok([(0, 0, 0)]) => return Ok(()),
            Ok(undone) => {
                last = format!("(in the outbox, behind, parked) are {undone:?}");
                let left = undone.iter().map(|(outbox, behind, lanes)| outbox + behind + lanes).sum();
                if left < least {
                    (moved, least) = (Instant::now(), left);
                }
            }
            Err(error) => last = error.to_string(),
        }
        // Asking must not be what keeps the database busy.
        tokio::time::sleep(Duration::from_millis(100).max(5 * asked.elapsed())).await;
    }
    Err(format!("not everything is published and handled, and nothing has moved for {patience:?}: {last}"))
}

/// Waits until all that is published is handled, with a broker that is a server.
pub(crate) async fn all_published_handled(database: &Database, patience: Duration) -> Result<(), String> {
    let begin = Instant::now();
    let mut left = None;
    while begin.elapsed() < patience {
        left = unhandled(database).await;
        if left == Some(0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(format!("what is published is not handled after {patience:?}; handlers have still to take {left:?}"))
}

/// How many times a handler has yet to take an event of the journal, with a broker that is a server.
pub(crate) async fn unhandled(database: &Database) -> Option<i64> {
    let rows: Vec<(i64, i64, i64)> = database.rows(UNDONE_ELSEWHERE).await.ok()?;
    rows.first().map(|(_, unhandled, _)| *unhandled)
}

/// How long it takes until an event that was recorded after this was called has had its effect; `None` when it takes longer than `bound`.
pub(crate) async fn first_after_now(database: &Database, bound: Duration) -> Option<Duration> {
    let (begin, mark) = (Instant::now(), UuidV7Generator.next_id());
    while begin.elapsed() < bound {
        if database.has_effect_after(mark).await.unwrap_or(false) {
            return Some(begin.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

/// Reads everything.
pub(crate) async fn gather(database: &Database, log: ClientLog) -> Result<Evidence, String> {
    let failed = |error: sqlx::Error| error.to_string();
    let (journal, queries) = database.ports().await;
    let entries = all(&*journal).await?;
    let activities: Vec<(Uuid, String, i64, i64)> = database
        .rows("SELECT id, title, CAST(version AS bigint), CAST(duration_minutes AS bigint) FROM activities")
        .await
        .map_err(failed)?;
    let ledger: Vec<(i64, Uuid, String, i64, Option<i64>)> = database
        .rows("SELECT number, event_id, subject, sequence, saw FROM effect_ledger ORDER BY number")
        .await
        .map_err(failed)?;
    let dead: Vec<(String, Uuid)> =
        database.rows("SELECT handler, event_id FROM dead_letters").await.map_err(failed)?;
    let parked: Vec<(String, Uuid)> = database.rows("SELECT handler, event_id FROM parked").await.map_err(failed)?;
    let taken: Vec<(String, i64)> =
        database.rows("SELECT handler, CAST(count(*) AS bigint) FROM inbox GROUP BY handler").await.map_err(failed)?;
    let notifications =
        database.number("SELECT count(*) FROM notifications WHERE kind = 'activity.created'").await.map_err(failed)?;
    Ok(Evidence {
        projections: projections(&*queries, &entries).await,
        log,
        activities: activities
            .into_iter()
            .map(|(id, title, version, minutes)| Stored {
                id,
                title,
                version: whole(version),
                minutes: narrow(minutes),
            })
            .collect(),
        journal: entries.into_iter().map(published).collect(),
        ledger: ledger
            .into_iter()
            .map(|(number, event_id, subject, sequence, saw)| LedgerLine {
                number,
                event_id,
                subject,
                sequence: whole(sequence),
                saw: saw.map(whole),
            })
            .collect(),
        dead: dead.into_iter().map(|(handler, event_id)| Dead { handler, event_id }).collect(),
        parked: parked.into_iter().map(|(handler, event_id)| Dead { handler, event_id }).collect(),
        taken: taken
            .into_iter()
            .filter(|(handler, _)| PROJECTING.contains(&handler.as_str()))
            .map(|(handler, count)| (handler, whole(count)))
            .collect(),
        notifications: whole(notifications),
    })
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).expect("it is a count")
}

fn narrow(number: i64) -> u32 {
    u32::try_from(number).expect("it is a number of minutes")
}

/// The whole journal, partition by partition.
async fn all(journal: &dyn Journal) -> Result<Vec<JournalEntry>, String> {
    let mut entries = Vec::new();
    for partition in (0..PARTITIONS).map(Partition) {
        let mut position = 0;
        loop {
            let page = journal.read(partition, position, JOURNAL_PAGE_MAX).await.map_err(|error| error.to_string())?;
            let Some(last) = page.last() else { break };
            position = last.position;
            entries.extend(page);
        }
    }
    Ok(entries)
}

async fn projections(queries: &dyn Queries, entries: &[JournalEntry]) -> Option<String> {
    let events: Vec<_> = entries.iter().map(|entry| Arc::new(entry.event.clone())).collect();
    matches_recomputation(queries, &events).await.err().map(|error| error.to_string())
}

fn published(entry: JournalEntry) -> Published {
    let data: Value = serde_json::from_slice(&entry.event.data).unwrap_or_default();
    Published {
        partition: entry.partition.0,
        position: entry.position,
        event_id: entry.event.id,
        title: data["activity"]["title"].as_str().unwrap_or_default().to_owned(),
        name: entry.event.name,
        subject: entry.event.subject,
        sequence: entry.event.sequence,
    }
}
