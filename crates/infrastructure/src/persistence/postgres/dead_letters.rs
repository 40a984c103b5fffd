use activelog_application::ports::{DeadLetter, DeadLetterFilter, DeadLetters, Listed, StorageError, StorageErrorKind};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{Postgres, QueryBuilder};

use super::{
    database::PgDatabase,
    envelope::envelope_columns,
    failure_rows::{dead_letter, dead_letter_columns},
    parked_lanes::{commit, keep_lane, lock_lane, remove_if_idle},
    rows::Columns,
    session::{Session, planned_anew},
};
use crate::persistence::failures::{listed, page_size, reason_name, state_name};

/// How often a transaction is tried in which others were in the way.
const ATTEMPTS: usize = 3;

/// Changes the state of dead letter `$1` to `$2` at `$3` if it is dead, and answers its lane and whether that waited for it. The lock makes
/// the second of two who do so wait for the first.
const SETTLE: &str = "WITH letter AS MATERIALIZED (SELECT id, handler, partition_key, holds FROM dead_letters \
     WHERE id = $1 AND state = 'dead' FOR NO KEY UPDATE), \
     settled AS (UPDATE dead_letters AS d SET state = $2, changed_at = $3, holds = false FROM letter WHERE d.id = letter.id) \
     SELECT handler, partition_key, holds FROM letter";

/// Parks dead letter `$1` in its old place at `$2`.
const PARK_AGAIN: &str = concat!(
    "INSERT INTO parked (place, handler, group_name, parked_at, ",
    envelope_columns!(),
    ") SELECT place, handler, group_name, $2, ",
    envelope_columns!(),
    " FROM dead_letters WHERE id = $1"
);

/// The lane of a dead letter.
struct Grave {
    handler: String,
    key: String,
    holds: bool,
}

#[async_trait]
impl DeadLetters for PgDatabase {
    async fn list(
        &self,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Listed<DeadLetter>, StorageError> {
        const OPERATION: &str = "list dead letters";
        let select = concat!("SELECT ", dead_letter_columns!(), " FROM dead_letters WHERE TRUE");
        let mut query = filtered(select, filter);
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(page_size(limit)) + 1);
        let rows = self.reader(OPERATION).await?.rows(OPERATION, query.build().persistent(false)).await?;
        let letters = rows.iter().map(|row| dead_letter(row, OPERATION)).collect::<Result<_, _>>()?;
        Ok(listed(letters, limit, |letter: &DeadLetter| letter.id))
    }

    async fn oldest(
        &self,
        filter: &DeadLetterFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StorageError> {
        const OPERATION: &str = "read oldest dead letters";
        let select = concat!("SELECT ", dead_letter_columns!(), " FROM dead_letters WHERE TRUE");
        let mut query = filtered(select, filter);
        if let Some(after) = after {
            query.push(" AND id > ").push_bind(after);
        }
        query.push(" ORDER BY id LIMIT ").push_bind(i64::from(page_size(limit)));
        let rows = self.reader(OPERATION).await?.rows(OPERATION, query.build().persistent(false)).await?;
        rows.iter().map(|row| dead_letter(row, OPERATION)).collect()
    }

    async fn find(&self, id: i64) -> Result<Option<DeadLetter>, StorageError> {
        const OPERATION: &str = "find dead letter";
        let query =
            sqlx::query(concat!("SELECT ", dead_letter_columns!(), " FROM dead_letters WHERE id = $1")).bind(id);
        let row = self.reader(OPERATION).await?.row(OPERATION, query).await?;
        row.map(|row| dead_letter(&row, OPERATION)).transpose()
    }

    async fn count(&self, filter: &DeadLetterFilter) -> Result<u64, StorageError> {
        const OPERATION: &str = "count dead letters";
        let mut query = filtered("SELECT count(*) FROM (SELECT FROM dead_letters WHERE TRUE", filter);
        query.push(" LIMIT 1000000) AS counted");
        let row = self.reader(OPERATION).await?.one(OPERATION, query.build().persistent(false)).await?;
        Columns::of(&row, OPERATION).unsigned()
    }

    async fn replay(&self, id: i64) -> Result<bool, StorageError> {
        again(|| self.try_replay(id)).await
    }

    async fn discard(&self, id: i64) -> Result<bool, StorageError> {
        again(|| self.try_discard(id)).await
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        const OPERATION: &str = "prune dead letters";
        let query = planned_anew(
            "DELETE FROM dead_letters WHERE id = ANY(ARRAY(SELECT id FROM dead_letters \
             WHERE state IN ('replayed', 'discarded') AND changed_at < $1 ORDER BY changed_at LIMIT $2)) \
             AND state IN ('replayed', 'discarded')",
        );
        let query = query.bind(before.to_sqlx()).bind(i64::from(limit));
        self.system(OPERATION).await?.execute(OPERATION, query).await
    }
}

impl PgDatabase {
    async fn try_replay(&self, id: i64) -> Result<bool, StorageError> {
        const OPERATION: &str = "replay dead letter";
        let now = self.shared.clock.now();
        let mut session = self.system_transaction(OPERATION).await?;
        let Some(grave) = settle(&mut session, OPERATION, id, "replaying", now).await? else {
            session.rollback().await;
            return Ok(false);
        };
        keep_lane(&mut session, OPERATION, &grave.handler, &grave.key, now).await?;
        // A lane that is due and waits for nobody is left alone: its row may be locked for as long as a handler works.
        let due = planned_anew(
            "UPDATE parked_lanes SET due_at = least(due_at, $3), holders = holders - $4 \
             WHERE handler = $1 AND partition_key = $2 AND (due_at > $3 OR $4 > 0)",
        );
        let due = due.bind(&grave.handler).bind(&grave.key).bind(now.to_sqlx()).bind(i32::from(grave.holds));
        session.execute(OPERATION, due).await?;
        session.execute(OPERATION, planned_anew(PARK_AGAIN).bind(id).bind(now.to_sqlx())).await?;
        commit(session, OPERATION).await.map(|()| true)
    }

    async fn try_discard(&self, id: i64) -> Result<bool, StorageError> {
        const OPERATION: &str = "discard dead letter";
        let mut session = self.system_transaction(OPERATION).await?;
        let now = self.shared.clock.now();
        let Some(grave) = settle(&mut session, OPERATION, id, "discarded", now).await? else {
            session.rollback().await;
            return Ok(false);
        };
        if grave.holds {
            lock_lane(&mut session, OPERATION, &grave.handler, &grave.key).await?;
            let free = sqlx::query(
                "UPDATE parked_lanes SET holders = holders - 1 WHERE handler = $1 AND partition_key = $2 AND holders > 0",
            );
            session.execute(OPERATION, free.bind(&grave.handler).bind(&grave.key)).await?;
            remove_if_idle(&mut session, OPERATION, &grave.handler, &grave.key).await?;
        }
        commit(session, OPERATION).await.map(|()| true)
    }
}

/// Runs a transaction that two operators may begin for letters of one lane at once, and that may then be in each other's way.
async fn again<F>(transaction: impl Fn() -> F + Send) -> Result<bool, StorageError>
where
    F: Future<Output = Result<bool, StorageError>> + Send,
{
    let mut attempts = ATTEMPTS;
    loop {
        match transaction().await {
            Err(error) if error.kind == StorageErrorKind::Contention && attempts > 1 => attempts -= 1,
            outcome => return outcome,
        }
    }
}

/// Runs [`SETTLE`]. `None` when the letter is not there or not dead.
async fn settle(
    session: &mut Session,
    operation: &'static str,
    id: i64,
    state: &'static str,
    now: Timestamp,
) -> Result<Option<Grave>, StorageError> {
    let query = planned_anew(SETTLE).bind(id).bind(state).bind(now.to_sqlx());
    let Some(row) = session.row(operation, query).await? else { return Ok(None) };
    let mut columns = Columns::of(&row, operation);
    Ok(Some(Grave { handler: columns.take()?, key: columns.take()?, holds: columns.take()? }))
}

/// `select` and only the conditions that are asked for, so that each combination gets a plan that fits it.
fn filtered(select: &'static str, filter: &DeadLetterFilter) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::<Postgres>::new(select);
    let conditions = [
        (" AND handler = ", filter.handler.as_deref()),
        (" AND name = ", filter.event.as_deref()),
        (" AND subject = ", filter.subject.as_deref()),
        (" AND reason = ", filter.reason.map(reason_name)),
        (" AND state = ", filter.state.map(state_name)),
    ];
    for (condition, value) in conditions {
        if let Some(value) = value {
            query.push(condition).push_bind(value.to_owned());
        }
    }
    for (condition, at) in [(" AND died_at >= ", filter.from), (" AND died_at < ", filter.to)] {
        if let Some(at) = at {
            query.push(condition).push_bind(at.to_sqlx());
        }
    }
    query
}
