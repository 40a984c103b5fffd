use activelog_application::{
    activity::ports::{
        AchievementRepository, ActivityRepository, LeaderboardRepository, NotificationRepository,
        PeriodStatisticsRepository, Repositories, UserRepository,
    },
    ports::{
        Clock, CommitError, IdempotencyStore, Inbox, Outbox, Parking, StorageError, TransactionOptions, UnitOfWork,
        UnitOfWorkFactory,
    },
    webhook::ports::WebhookRepository,
};
use async_trait::async_trait;
use std::sync::Arc;

use super::{
    SqliteDatabase, achievement_repository::SqliteAchievementRepository, activity_repository::SqliteActivityRepository,
    idempotency::SqliteIdempotencyStore, inbox::SqliteInbox, leaderboard_repository::SqliteLeaderboardRepository,
    notification_repository::SqliteNotificationRepository, outbox::SqliteOutbox, parking::SqliteParking,
    period_statistics_repository::SqlitePeriodStatisticsRepository, user_repository::SqliteUserRepository,
    webhook_repository::SqliteWebhookRepository, write_unit::WriteUnit,
};

/// A unit of work. There is one writer at a time, so every unit is SERIALIZABLE, and what it has read is locked.
struct SqliteUnitOfWork {
    unit: WriteUnit,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl UnitOfWorkFactory<dyn Repositories> for SqliteDatabase {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Repositories>, StorageError> {
        let mut unit = self.inner.writer.begin(options.deadline)?;
        if options.defer_writes {
            unit.defer_writes();
        } else {
            unit.take_turn().await?;
        }
        Ok(Box::new(SqliteUnitOfWork { unit, clock: Arc::clone(&self.inner.clock) }))
    }
}

#[async_trait]
impl UnitOfWork for SqliteUnitOfWork {
    fn outbox(&mut self) -> Box<dyn Outbox + '_> {
        Box::new(SqliteOutbox { unit: &mut self.unit, clock: &*self.clock })
    }

    fn inbox(&mut self) -> Box<dyn Inbox + '_> {
        Box::new(SqliteInbox { unit: &mut self.unit, clock: &*self.clock })
    }

    fn parking(&mut self) -> Box<dyn Parking + '_> {
        Box::new(SqliteParking { unit: &mut self.unit, clock: &*self.clock })
    }

    fn idempotency(&mut self) -> Box<dyn IdempotencyStore + '_> {
        Box::new(SqliteIdempotencyStore { unit: &mut self.unit, clock: &*self.clock })
    }

    async fn commit(self: Box<Self>) -> Result<(), CommitError> {
        self.unit.commit().await
    }

    async fn rollback(self: Box<Self>) {
        self.unit.rollback().await;
    }
}

impl Repositories for SqliteUnitOfWork {
    fn activities(&mut self) -> Box<dyn ActivityRepository + '_> {
        Box::new(SqliteActivityRepository { unit: &mut self.unit })
    }

    fn users(&mut self) -> Box<dyn UserRepository + '_> {
        Box::new(SqliteUserRepository { unit: &mut self.unit })
    }

    fn notifications(&mut self) -> Box<dyn NotificationRepository + '_> {
        Box::new(SqliteNotificationRepository { unit: &mut self.unit })
    }

    fn period_statistics(&mut self) -> Box<dyn PeriodStatisticsRepository + '_> {
        Box::new(SqlitePeriodStatisticsRepository { unit: &mut self.unit })
    }

    fn achievements(&mut self) -> Box<dyn AchievementRepository + '_> {
        Box::new(SqliteAchievementRepository { unit: &mut self.unit })
    }

    fn leaderboards(&mut self) -> Box<dyn LeaderboardRepository + '_> {
        Box::new(SqliteLeaderboardRepository { unit: &mut self.unit })
    }

    fn webhooks(&mut self) -> Box<dyn WebhookRepository + '_> {
        Box::new(SqliteWebhookRepository { unit: &mut self.unit })
    }

    #[cfg(feature = "fault-injection")]
    fn effect_ledger(&mut self) -> Box<dyn activelog_application::activity::ports::EffectLedger + '_> {
        Box::new(super::effect_ledger::SqliteEffectLedger { unit: &mut self.unit })
    }
}
