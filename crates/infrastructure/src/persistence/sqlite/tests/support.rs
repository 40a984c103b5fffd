use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::ports::Repositories,
    ports::{IdGenerator as _, Isolation, Lease, LeaseStore, StorageError, TransactionOptions, UnitOfWorkFactory},
};
use activelog_domain::{
    activity::{Activity, ActivityDate, ActivityDraft, ActivityType, Distance, Duration as Minutes, Tags, Title},
    event::EventEnvelope,
    notification::Notification,
    statistics::Figures,
    user::UserId,
};
use bytes::Bytes;
use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    clock::SystemClock,
    id_generator::UuidV7Generator,
    persistence::sqlite::{SqliteDatabase, SqliteOptions},
};

pub(super) const OPTIONS: TransactionOptions =
    TransactionOptions::new(Isolation::ReadCommitted, Duration::from_secs(60));

/// A database in a folder of its own, which goes when this does.
pub(super) struct Scratch {
    pub(super) database: SqliteDatabase,
    pub(super) folder: TempDir,
}

impl Scratch {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut SqliteOptions)) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut options = SqliteOptions::new(folder.path().join("data/activelog.db"));
        change(&mut options);
        let database = SqliteDatabase::open(options, Arc::new(SystemClock)).await.expect("opens");
        database.migrate().await.expect("migrates");
        Self { database, folder }
    }

    /// The same file once more, as another process would open it.
    pub(super) async fn again(&self, change: impl FnOnce(&mut SqliteOptions)) -> SqliteDatabase {
        let mut options = SqliteOptions::new(self.folder.path().join("data/activelog.db"));
        change(&mut options);
        SqliteDatabase::open(options, Arc::new(SystemClock)).await.expect("opens again")
    }

    pub(super) async fn begin(&self) -> Box<dyn Repositories> {
        begin(&self.database).await
    }
}

pub(super) async fn begin(database: &SqliteDatabase) -> Box<dyn Repositories> {
    UnitOfWorkFactory::<dyn Repositories>::begin(database, OPTIONS).await.expect("begins")
}

pub(super) async fn begin_deferring(database: &SqliteDatabase) -> Box<dyn Repositories> {
    let options = TransactionOptions { defer_writes: true, ..OPTIONS };
    UnitOfWorkFactory::<dyn Repositories>::begin(database, options).await.expect("begins")
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).expect("an instant")
}

pub(super) fn new_id() -> Uuid {
    UuidV7Generator.next_id()
}

pub(super) fn activity(user: UserId) -> Activity {
    let draft = ActivityDraft {
        user_id: user,
        activity_type: ActivityType::new("run").expect("a type"),
        title: Title::new("Morning run along the river").expect("a title"),
        description: None,
        duration: Minutes::new(42).expect("a duration"),
        distance: Distance::from_metres(8_400).ok(),
        calories: None,
        notes: None,
        tags: Tags::default(),
        activity_date: ActivityDate::stored(now()),
    };
    Activity::create(new_id(), draft, now())
}

pub(super) fn event(subject: Uuid, sequence: u64) -> EventEnvelope {
    let subject = Activity::subject(subject);
    EventEnvelope {
        id: new_id(),
        source: "/activelog".into(),
        name: "activity.created".into(),
        partition_key: subject.clone(),
        subject,
        time: now(),
        content_type: "application/json".into(),
        version: 1,
        sequence,
        correlation_id: new_id(),
        causation_id: None,
        trace: None,
        data: Bytes::from_static(br#"{"activity":{"title":"Morning run along the river","duration_minutes":42}}"#),
    }
}

/// What creating an activity writes.
pub(super) async fn create(unit: &mut dyn Repositories, user: UserId) -> Result<Uuid, StorageError> {
    let activity = activity(user);
    unit.activities().insert(&activity).await?;
    let notification = Notification {
        id: new_id(),
        user_id: user,
        kind: "activity.created".into(),
        message: "Your run of 8.4 km was saved".into(),
        created_at: now(),
        read_at: None,
    };
    unit.notifications().insert(&notification).await?;
    unit.users().add_to_totals(user, Figures::of(&activity), now()).await?;
    unit.outbox().append(&[event(activity.id, 1)]).await?;
    Ok(activity.id)
}

/// The lease of a partition of scope `relay`.
pub(super) async fn leases(database: &SqliteDatabase, scope: &str, member: &str) -> Vec<Lease> {
    let share = database.heartbeat(scope, member, 16, Duration::from_secs(60)).await.expect("a heartbeat");
    share.leases
}
