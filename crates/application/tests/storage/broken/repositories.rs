//! The defects of units of work, one type each.

use activelog_application::{
    activity::ports::{AchievementRepository, ActivityRepository, PeriodStatisticsRepository, UserRepository},
    ports::{
        Claim, IdempotencyKey, IdempotencyStore, Inbox, Intake, Outbox, StorageError, StorageErrorKind, StoredResponse,
    },
};
use activelog_domain::{
    achievement::{Achievement, Earned, Effort, Milestones},
    activity::{Activity, ActivityDate},
    event::EventEnvelope,
    statistics::{Figures, Period},
    user::UserId,
};
use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::Defect;

pub(super) struct ForgetfulOutbox;

#[async_trait]
impl Outbox for ForgetfulOutbox {
    async fn append(&mut self, _: &[EventEnvelope]) -> Result<(), StorageError> {
        Ok(())
    }

    async fn schedule(&mut self, _: &EventEnvelope, _: Timestamp) -> Result<(), StorageError> {
        Ok(())
    }

    async fn cancel(&mut self, _: Uuid) -> Result<bool, StorageError> {
        Ok(true)
    }
}

pub(super) struct StrippedOutbox<'a>(pub(super) Box<dyn Outbox + 'a>);

#[async_trait]
impl Outbox for StrippedOutbox<'_> {
    async fn append(&mut self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        let stripped = events.iter().cloned().map(|event| EventEnvelope { causation_id: None, trace: None, ..event });
        self.0.append(&stripped.collect::<Vec<_>>()).await
    }

    async fn schedule(&mut self, event: &EventEnvelope, due: Timestamp) -> Result<(), StorageError> {
        self.0.schedule(event, due).await
    }

    async fn cancel(&mut self, event_id: Uuid) -> Result<bool, StorageError> {
        self.0.cancel(event_id).await
    }
}

/// An inbox with a defect.
pub(super) struct BrokenInbox<'a> {
    pub(super) inner: Box<dyn Inbox + 'a>,
    pub(super) defect: Defect,
}

impl BrokenInbox<'_> {
    fn told(&self, intake: Intake) -> Intake {
        match self.defect {
            Defect::InboxAlwaysTrue => Intake::New,
            Defect::NeverBehind if intake == Intake::Behind => Intake::New,
            _ => intake,
        }
    }
}

#[async_trait]
impl Inbox for BrokenInbox<'_> {
    async fn record(&mut self, handler: &str, event_id: Uuid, key: &str) -> Result<Intake, StorageError> {
        self.inner.record(handler, event_id, key).await.map(|intake| self.told(intake))
    }

    async fn record_replayed(&mut self, handler: &str, event: &EventEnvelope) -> Result<Intake, StorageError> {
        if self.defect == Defect::ReplayedBehindAll {
            return self.inner.record(handler, event.id, &event.partition_key).await;
        }
        self.inner.record_replayed(handler, event).await.map(|intake| self.told(intake))
    }

    async fn forget(&mut self, handler: &str, limit: u32) -> Result<u64, StorageError> {
        self.inner.forget(handler, limit).await
    }
}

pub(super) struct OneFingerprint<'a>(pub(super) Box<dyn IdempotencyStore + 'a>);

#[async_trait]
impl IdempotencyStore for OneFingerprint<'_> {
    async fn claim(&mut self, key: &IdempotencyKey) -> Result<Claim, StorageError> {
        self.0.claim(&IdempotencyKey { fingerprint: [1; 16], ..key.clone() }).await
    }

    async fn answer(&mut self, key: &IdempotencyKey, response: &StoredResponse) -> Result<(), StorageError> {
        self.0.answer(&IdempotencyKey { fingerprint: [1; 16], ..key.clone() }, response).await
    }
}

/// Activities with a defect.
pub(super) struct BrokenActivities<'a> {
    pub(super) inner: Box<dyn ActivityRepository + 'a>,
    pub(super) defect: Defect,
}

#[async_trait]
impl ActivityRepository for BrokenActivities<'_> {
    async fn insert(&mut self, activity: &Activity) -> Result<(), StorageError> {
        let mut activity = activity.clone();
        if self.defect == Defect::TruncatesDates {
            let millisecond = activity.activity_date.instant().as_millisecond();
            let at = Timestamp::from_millisecond(millisecond).expect("in range");
            activity.activity_date = ActivityDate::stored(at);
        }
        let survives = self.defect == Defect::SurvivesFailedStatements;
        if survives && self.inner.find_for_update(activity.id).await?.is_some() {
            return Err(StorageError::new(StorageErrorKind::Constraint, "insert activity", "already there"));
        }
        self.inner.insert(&activity).await
    }

    async fn update(&mut self, activity: &Activity) -> Result<bool, StorageError> {
        if self.defect != Defect::UpdateIgnoresVersion {
            return self.inner.update(activity).await;
        }
        let Some(stored) = self.inner.find_for_update(activity.id).await? else { return Ok(false) };
        self.inner.delete(stored.id, stored.version).await?;
        self.inner.insert(activity).await.map(|()| true)
    }

    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Activity>, StorageError> {
        self.inner.find_for_update(id).await
    }

    async fn delete(&mut self, id: Uuid, version: u64) -> Result<bool, StorageError> {
        self.inner.delete(id, version).await
    }

    async fn record_import(
        &mut self,
        user: UserId,
        source: &str,
        external_id: &str,
        activity: Uuid,
    ) -> Result<bool, StorageError> {
        self.inner.record_import(user, source, external_id, activity).await
    }
}

pub(super) struct ClampedTotals<'a>(pub(super) Box<dyn UserRepository + 'a>);

#[async_trait]
impl UserRepository for ClampedTotals<'_> {
    async fn add_to_totals(&mut self, user: UserId, change: Figures, now: Timestamp) -> Result<(), StorageError> {
        self.0.add_to_totals(user, change, now).await?;
        let sum = self.0.totals(user).await?;
        let excess = Figures { activities: sum.activities.min(0), ..Figures::default() };
        self.0.add_to_totals(user, -excess, now).await
    }

    async fn totals(&mut self, user: UserId) -> Result<Figures, StorageError> {
        self.0.totals(user).await
    }
}

pub(super) struct SameChangeOnce<'a>(pub(super) Box<dyn PeriodStatisticsRepository + 'a>);

#[async_trait]
impl PeriodStatisticsRepository for SameChangeOnce<'_> {
    async fn add(&mut self, user: UserId, changes: &[(Period, Date, Figures)]) -> Result<(), StorageError> {
        let mut once = changes.to_vec();
        once.dedup_by_key(|(period, start, _)| (*period, *start));
        self.0.add(user, &once).await
    }

    async fn clear(&mut self, limit: u32) -> Result<u64, StorageError> {
        self.0.clear(limit).await
    }
}

pub(super) struct HundredthForgotten<'a>(pub(super) Box<dyn AchievementRepository + 'a>);

#[async_trait]
impl AchievementRepository for HundredthForgotten<'_> {
    async fn lock(&mut self, user: UserId) -> Result<(), StorageError> {
        self.0.lock(user).await
    }

    async fn put_effort(&mut self, user: UserId, effort: &Effort) -> Result<(), StorageError> {
        self.0.put_effort(user, effort).await
    }

    async fn remove_effort(&mut self, user: UserId, activity_id: Uuid) -> Result<(), StorageError> {
        self.0.remove_effort(user, activity_id).await
    }

    async fn milestones(&mut self, user: UserId) -> Result<Milestones, StorageError> {
        Ok(Milestones { hundredth: None, ..self.0.milestones(user).await? })
    }

    async fn list(&mut self, user: UserId) -> Result<Vec<Earned>, StorageError> {
        self.0.list(user).await
    }

    async fn put(&mut self, user: UserId, earned: &Earned) -> Result<(), StorageError> {
        self.0.put(user, earned).await
    }

    async fn remove(&mut self, user: UserId, achievement: &Achievement) -> Result<(), StorageError> {
        self.0.remove(user, achievement).await
    }

    async fn clear_efforts(&mut self, limit: u32) -> Result<u64, StorageError> {
        self.0.clear_efforts(limit).await
    }
}
