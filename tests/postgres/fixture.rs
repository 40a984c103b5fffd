use std::{sync::Arc, time::Duration};

use activelog_application::ports::{Clock, IdGenerator};
use activelog_application::{
    activity::ports::Repositories,
    ports::{Isolation, Lease, LeaseStore, StorageError, TransactionOptions, UnitOfWorkFactory},
};
use activelog_domain::{
    activity::{
        Activity, ActivityCreated, ActivityDate, ActivityDraft, ActivityType, Distance, Duration as Minutes, Tags,
        Title,
    },
    event::{EventEnvelope, EventMetadata},
    user::UserId,
};
use activelog_infrastructure::{
    clock::SystemClock,
    id_generator::UuidV7Generator,
    persistence::postgres::{PgDatabase, PgOptions},
};
use uuid::Uuid;

use crate::support;

/// A migrated database of one's own, and its URL. `None` without a server.
pub(crate) async fn database() -> Option<(PgDatabase, String)> {
    let url = support::fresh_database()?;
    let database = connect(&url).await;
    database.migrate().await.expect("migrations run");
    Some((database, url))
}

pub(crate) async fn connect(url: &str) -> PgDatabase {
    PgDatabase::connect(PgOptions::new(url).expect("a valid URL"), Arc::new(SystemClock)).await.expect("it is there")
}

/// A connection beside the pools.
pub(crate) async fn bystander(url: &str) -> sqlx::PgConnection {
    <sqlx::PgConnection as sqlx::Connection>::connect(url).await.expect("the server is there")
}

pub(crate) fn id() -> Uuid {
    UuidV7Generator.next_id()
}

pub(crate) const OPTIONS: TransactionOptions =
    TransactionOptions::new(Isolation::ReadCommitted, Duration::from_secs(60));

pub(crate) async fn begin(database: &PgDatabase) -> Box<dyn Repositories> {
    try_begin(database).await.expect("a transaction begins")
}

pub(crate) async fn try_begin(database: &PgDatabase) -> Result<Box<dyn Repositories>, StorageError> {
    database.begin(OPTIONS).await
}

pub(crate) fn activity(user: UserId) -> Activity {
    let now = SystemClock.now();
    let draft = ActivityDraft {
        user_id: user,
        activity_type: ActivityType::new("run").expect("a valid type"),
        title: Title::new("Morning run").expect("a valid title"),
        description: None,
        duration: Minutes::new(42).expect("a valid duration"),
        distance: Some(Distance::from_metres(8_400).expect("a valid distance")),
        calories: None,
        notes: None,
        tags: Tags::default(),
        activity_date: ActivityDate::new(now, now).expect("a valid date"),
    };
    Activity::create(id(), draft, now)
}

pub(crate) fn created(activity: &Activity) -> EventEnvelope {
    let metadata =
        EventMetadata { id: id(), time: activity.created_at, correlation_id: id(), causation_id: None, trace: None };
    EventEnvelope::seal(&ActivityCreated::from(activity), metadata).expect("it encodes")
}

/// An event of an aggregate of its own, in the partition of `key`.
pub(crate) fn event(key: &str) -> EventEnvelope {
    EventEnvelope { partition_key: key.to_owned(), ..created(&activity(UserId(id()))) }
}

/// Puts events into the outbox, `per_commit` at a time.
pub(crate) async fn record(database: &PgDatabase, events: &[EventEnvelope], per_commit: usize) {
    for chunk in events.chunks(per_commit) {
        let mut unit = begin(database).await;
        unit.outbox().append(chunk).await.expect("events are appended");
        unit.commit().await.expect("the unit commits");
    }
}

/// All partitions of the relay, by partition.
pub(crate) async fn relay_leases(database: &PgDatabase, member: &str, ttl: Duration) -> Vec<Lease> {
    database
        .heartbeat("relay", member, activelog_application::ports::PARTITIONS, ttl)
        .await
        .expect("a heartbeat")
        .leases
}
