use std::sync::Arc;

use activelog_application::{
    activity::ports::{
        AchievementRepository, ActivityRepository, LeaderboardRepository, NotificationRepository,
        PeriodStatisticsRepository, Repositories, UserRepository,
    },
    ports::{
        CommitError, IdempotencyStore, Inbox, Outbox, Parking, StorageError, TransactionOptions, UnitOfWork,
        UnitOfWorkFactory,
    },
    webhook::ports::WebhookRepository,
};
use async_trait::async_trait;
use futures::FutureExt;

use super::repositories::{
    BrokenActivities, BrokenInbox, ClampedTotals, ForgetfulOutbox, HundredthForgotten, OneFingerprint, SameChangeOnce,
    StrippedOutbox,
};
use super::{BrokenParking, parking::BrokenTaking};

/// What is wrong with a unit of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// `append` says that it has recorded events, and has not.
    LosesOutbox,
    /// `append` loses what an envelope may or may not have.
    StripsEnvelopes,
    /// A failed statement leaves the unit of work usable, and it commits.
    SurvivesFailedStatements,
    /// `record` says `true` every time.
    InboxAlwaysTrue,
    /// `update` replaces whatever version is stored.
    UpdateIgnoresVersion,
    /// Dates are kept to the millisecond.
    TruncatesDates,
    /// `rollback` commits.
    RollbackCommits,
    /// Being dropped commits, as with a connection that goes back to its pool as it is.
    DropLeavesOpen,
    /// `commit` says that it has committed, and has not.
    CommitLoses,
    /// Totals cannot be below zero.
    ClampsTotals,
    /// Of several changes of one period, one counts.
    SameChangeOnce,
    /// The fingerprint of a key is ignored.
    IgnoresFingerprints,
    /// The hundredth activity is not a milestone.
    ForgetsTheHundredth,
    /// Nothing comes behind anything.
    NeverBehind,
    /// What is replayed comes behind everything, as if it came from the broker.
    ReplayedBehindAll,
    /// None but that of a parking store.
    OfParking,
}

/// Begins units of work with a defect.
pub(crate) struct BrokenFactory {
    pub(crate) inner: Arc<dyn UnitOfWorkFactory<dyn Repositories>>,
    pub(crate) defect: Defect,
    /// The defect of a parking store that its parking shares.
    pub(crate) parking: Option<Arc<BrokenParking>>,
}

#[async_trait]
impl UnitOfWorkFactory<dyn Repositories> for BrokenFactory {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Repositories>, StorageError> {
        let inner = self.inner.begin(options).await?;
        Ok(Box::new(BrokenUnitOfWork { inner: Some(inner), defect: self.defect, parking: self.parking.clone() }))
    }
}

struct BrokenUnitOfWork {
    /// There until the end.
    inner: Option<Box<dyn Repositories>>,
    defect: Defect,
    parking: Option<Arc<BrokenParking>>,
}

impl BrokenUnitOfWork {
    fn inner(&mut self) -> &mut dyn Repositories {
        &mut **self.inner.as_mut().expect("it has not ended")
    }
}

impl Drop for BrokenUnitOfWork {
    fn drop(&mut self) {
        if let (Defect::DropLeavesOpen, Some(inner)) = (self.defect, self.inner.take()) {
            // In memory it ends without waiting.
            let _committed = inner.commit().now_or_never();
        }
    }
}

#[async_trait]
impl UnitOfWork for BrokenUnitOfWork {
    fn outbox(&mut self) -> Box<dyn Outbox + '_> {
        let defect = self.defect;
        let inner = self.inner().outbox();
        match defect {
            Defect::LosesOutbox => Box::new(ForgetfulOutbox),
            Defect::StripsEnvelopes => Box::new(StrippedOutbox(inner)),
            _ => inner,
        }
    }

    fn inbox(&mut self) -> Box<dyn Inbox + '_> {
        let defect = self.defect;
        let inner = self.inner().inbox();
        match defect {
            Defect::InboxAlwaysTrue | Defect::NeverBehind | Defect::ReplayedBehindAll => {
                Box::new(BrokenInbox { inner, defect })
            }
            _ => inner,
        }
    }

    fn parking(&mut self) -> Box<dyn Parking + '_> {
        let store = self.parking.clone();
        let inner = self.inner().parking();
        match store {
            Some(store) => Box::new(BrokenTaking { inner, store }),
            None => inner,
        }
    }

    fn idempotency(&mut self) -> Box<dyn IdempotencyStore + '_> {
        let defect = self.defect;
        let inner = self.inner().idempotency();
        if defect == Defect::IgnoresFingerprints { Box::new(OneFingerprint(inner)) } else { inner }
    }

    async fn commit(mut self: Box<Self>) -> Result<(), CommitError> {
        let inner = self.inner.take().expect("it has not ended");
        if self.defect == Defect::CommitLoses {
            inner.rollback().await;
            return Ok(());
        }
        inner.commit().await
    }

    async fn rollback(mut self: Box<Self>) {
        let inner = self.inner.take().expect("it has not ended");
        if self.defect == Defect::RollbackCommits {
            let _committed = inner.commit().await;
        } else {
            inner.rollback().await;
        }
    }
}

impl Repositories for BrokenUnitOfWork {
    fn activities(&mut self) -> Box<dyn ActivityRepository + '_> {
        let defect = self.defect;
        let inner = self.inner().activities();
        Box::new(BrokenActivities { inner, defect })
    }

    fn users(&mut self) -> Box<dyn UserRepository + '_> {
        let defect = self.defect;
        let inner = self.inner().users();
        if defect == Defect::ClampsTotals { Box::new(ClampedTotals(inner)) } else { inner }
    }

    fn notifications(&mut self) -> Box<dyn NotificationRepository + '_> {
        self.inner().notifications()
    }

    fn period_statistics(&mut self) -> Box<dyn PeriodStatisticsRepository + '_> {
        let defect = self.defect;
        let inner = self.inner().period_statistics();
        if defect == Defect::SameChangeOnce { Box::new(SameChangeOnce(inner)) } else { inner }
    }

    fn achievements(&mut self) -> Box<dyn AchievementRepository + '_> {
        let defect = self.defect;
        let inner = self.inner().achievements();
        if defect == Defect::ForgetsTheHundredth { Box::new(HundredthForgotten(inner)) } else { inner }
    }

    fn leaderboards(&mut self) -> Box<dyn LeaderboardRepository + '_> {
        self.inner().leaderboards()
    }

    fn webhooks(&mut self) -> Box<dyn WebhookRepository + '_> {
        self.inner().webhooks()
    }
}
