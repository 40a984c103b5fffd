use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::ports::{
        AchievementRepository, ActivityRepository, LeaderboardRepository, NotificationRepository,
        PeriodStatisticsRepository, Repositories, UserRepository,
    },
    ports::{
        CommitError, IdempotencyStore, Inbox, Isolation, Outbox, Parking, StorageError, StorageErrorKind,
        TransactionOptions, UnitOfWork, UnitOfWorkFactory,
    },
    webhook::ports::WebhookRepository,
};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::{
    achievement_repository::PgAchievementRepository,
    activity_repository::PgActivityRepository,
    database::{PgDatabase, Shared},
    error::{is_answer, storage_error},
    idempotency::PgIdempotencyStore,
    inbox::PgInbox,
    leaderboard_repository::PgLeaderboardRepository,
    notification_repository::PgNotificationRepository,
    options::{SERVER_LIMIT, lock_limit},
    outbox::PgOutbox,
    parking::PgParking,
    period_statistics_repository::PgPeriodStatisticsRepository,
    session::Session,
    user_repository::PgUserRepository,
    webhook_repository::PgWebhookRepository,
};

/// How much longer this side waits for a statement than the server works on it: the server's answer is the better one.
const GRACE: Duration = Duration::from_secs(1);

/// A transaction on PostgreSQL.
pub struct PgUnitOfWork {
    pub(super) session: Session,
    pub(super) shared: Arc<Shared>,
    /// Whether events wait in the outbox for the commit.
    pub(super) recorded: bool,
}

#[async_trait]
impl UnitOfWorkFactory<dyn Repositories> for PgDatabase {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Repositories>, StorageError> {
        self.begin_work(options).await.map(|unit| Box::new(unit) as Box<dyn Repositories>)
    }
}

impl PgDatabase {
    /// Begins a transaction on a connection for units of work.
    pub(super) async fn begin_work(&self, options: TransactionOptions) -> Result<PgUnitOfWork, StorageError> {
        let shared = Arc::clone(&self.shared);
        // In a task of its own, so that a caller who leaves costs no connection: the task still gets the answer to BEGIN,
        // and the session it then drops rolls back.
        let begun = tokio::spawn(async move { begin(shared, options).await }).await;
        begun.unwrap_or_else(|error| Err(StorageError::new(StorageErrorKind::Other, "begin transaction", error)))
    }
}

/// Begins on a connection that works: those that broke while they were idle are closed on the way.
async fn begin(shared: Arc<Shared>, options: TransactionOptions) -> Result<PgUnitOfWork, StorageError> {
    let limit = options.deadline.saturating_add(GRACE);
    let mut stale = shared.work.options().get_max_connections();
    loop {
        let mut session = Session::open(&shared.work, limit, "begin transaction").await?;
        match session.begin(begin_statement(options)).await {
            Ok(()) => return Ok(PgUnitOfWork { session, shared, recorded: false }),
            Err(_) if session.is_unusable() && stale > 0 => stale -= 1,
            Err(error) => return Err(error),
        }
    }
}

/// BEGIN, and with it in the same round trip the server's time limits where the connection's own do not fit.
fn begin_statement(options: TransactionOptions) -> SqlStr {
    let begin = match options.isolation {
        Isolation::ReadCommitted => "BEGIN ISOLATION LEVEL READ COMMITTED",
        Isolation::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
    };
    // What has passed of the usual deadline by now must not cost three more commands; within the grace this side still waits longer.
    if (SERVER_LIMIT.saturating_sub(GRACE)..=SERVER_LIMIT).contains(&options.deadline) {
        return begin.into_sql_str();
    }
    let statement = options.deadline.as_millis().max(1);
    let lock = lock_limit(options.deadline).as_millis().max(1);
    // Safe: made of constants and numbers.
    AssertSqlSafe(format!(
        "{begin}; SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}; \
         SET LOCAL idle_in_transaction_session_timeout = {statement}"
    ))
    .into_sql_str()
}

#[async_trait]
impl UnitOfWork for PgUnitOfWork {
    fn outbox(&mut self) -> Box<dyn Outbox + '_> {
        Box::new(PgOutbox(self))
    }

    fn inbox(&mut self) -> Box<dyn Inbox + '_> {
        Box::new(PgInbox(self))
    }

    fn parking(&mut self) -> Box<dyn Parking + '_> {
        Box::new(PgParking(self))
    }

    fn idempotency(&mut self) -> Box<dyn IdempotencyStore + '_> {
        Box::new(PgIdempotencyStore(self))
    }

    async fn commit(mut self: Box<Self>) -> Result<(), CommitError> {
        // PostgreSQL answers the COMMIT of a failed transaction with success after rolling it back.
        if let Some(kind) = self.session.failure() {
            self.session.rollback().await;
            return Err(rolled_back(kind, "a statement of the transaction had failed"));
        }
        if self.session.is_unusable() {
            return Err(rolled_back(
                StorageErrorKind::Unavailable,
                "a statement of the transaction had been abandoned before it was answered",
            ));
        }
        match self.session.commit().await {
            Ok(()) => {
                if self.recorded {
                    self.shared.outbox_signal.ring();
                }
                Ok(())
            }
            Err(error) if is_answer(&error) => Err(CommitError::RolledBack(storage_error("commit", error))),
            Err(error) => Err(CommitError::Unknown(storage_error("commit", error))),
        }
    }

    async fn rollback(mut self: Box<Self>) {
        self.session.rollback().await;
    }
}

fn rolled_back(kind: StorageErrorKind, why: &'static str) -> CommitError {
    CommitError::RolledBack(StorageError::new(kind, "commit", why))
}

impl Repositories for PgUnitOfWork {
    fn activities(&mut self) -> Box<dyn ActivityRepository + '_> {
        Box::new(PgActivityRepository(&mut self.session))
    }

    fn users(&mut self) -> Box<dyn UserRepository + '_> {
        Box::new(PgUserRepository(&mut self.session))
    }

    fn notifications(&mut self) -> Box<dyn NotificationRepository + '_> {
        Box::new(PgNotificationRepository(&mut self.session))
    }

    fn period_statistics(&mut self) -> Box<dyn PeriodStatisticsRepository + '_> {
        Box::new(PgPeriodStatisticsRepository(&mut self.session))
    }

    fn achievements(&mut self) -> Box<dyn AchievementRepository + '_> {
        Box::new(PgAchievementRepository(&mut self.session))
    }

    fn leaderboards(&mut self) -> Box<dyn LeaderboardRepository + '_> {
        Box::new(PgLeaderboardRepository(&mut self.session))
    }

    fn webhooks(&mut self) -> Box<dyn WebhookRepository + '_> {
        Box::new(PgWebhookRepository(&mut self.session))
    }

    #[cfg(feature = "fault-injection")]
    fn effect_ledger(&mut self) -> Box<dyn activelog_application::activity::ports::EffectLedger + '_> {
        Box::new(super::effect_ledger::PgEffectLedger(&mut self.session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(isolation: Isolation, deadline: Duration) -> String {
        begin_statement(TransactionOptions::new(isolation, deadline)).as_str().to_owned()
    }

    #[test]
    fn only_a_short_deadline_is_set_for_the_transaction() {
        for usual in [Duration::from_secs(60), Duration::from_secs(60) - Duration::from_millis(3)] {
            assert_eq!(statement(Isolation::ReadCommitted, usual), "BEGIN ISOLATION LEVEL READ COMMITTED");
        }
        let short = statement(Isolation::Serializable, Duration::from_secs(5));
        assert!(
            short.starts_with("BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL statement_timeout = 5000;"),
            "{short}"
        );
    }
}
