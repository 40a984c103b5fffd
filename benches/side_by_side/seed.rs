use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::ports::Repositories,
    ports::{Clock, IdGenerator, Isolation, TransactionOptions, UnitOfWorkFactory},
};
use activelog_domain::{
    activity::{
        Activity, ActivityCreated, ActivityDate, ActivityDraft, ActivityType, Calories, Distance, Duration as Minutes,
        Tags, Title,
    },
    event::{EventEnvelope, EventMetadata},
    user::UserId,
};
use activelog_infrastructure::{
    clock::SystemClock,
    id_generator::UuidV7Generator,
    persistence::{
        postgres::{PgDatabase, PgOptions},
        sqlite::{SqliteDatabase, SqliteOptions},
    },
};

use crate::bench::Database;

/// How many events one transaction records.
const PER_COMMIT: usize = 1_000;

/// The event of a new activity of a new user.
pub(crate) fn event() -> anyhow::Result<EventEnvelope> {
    let now = SystemClock.now();
    let draft = ActivityDraft {
        user_id: UserId(UuidV7Generator.next_id()),
        activity_type: ActivityType::new("run")?,
        title: Title::new("Morning run")?,
        description: None,
        duration: Minutes::new(45)?,
        distance: Some(Distance::from_metres(8_200)?),
        calories: Some(Calories::new(512)?),
        notes: None,
        tags: Tags::default(),
        activity_date: ActivityDate::new(now, now)?,
    };
    let activity = Activity::create(UuidV7Generator.next_id(), draft, now);
    let metadata = EventMetadata {
        id: UuidV7Generator.next_id(),
        time: now,
        correlation_id: UuidV7Generator.next_id(),
        causation_id: None,
        trace: None,
    };
    Ok(EventEnvelope::seal(&ActivityCreated::from(&activity), metadata)?)
}

/// So many of them.
pub(crate) fn events(count: usize) -> anyhow::Result<Vec<EventEnvelope>> {
    (0..count).map(|_| event()).collect()
}

/// Puts events into a database's outbox, as the application does.
pub(crate) async fn fill_outbox(database: &Database, count: usize) -> anyhow::Result<()> {
    match &database.file {
        Some(file) => {
            let opened = SqliteDatabase::open(SqliteOptions::new(file), Arc::new(SystemClock)).await?;
            record(&opened, count).await?;
            opened.close().await;
        }
        None => {
            let opened = PgDatabase::connect(PgOptions::new(&database.url)?, Arc::new(SystemClock)).await?;
            record(&opened, count).await?;
            opened.close().await;
        }
    }
    Ok(())
}

async fn record(units: &impl UnitOfWorkFactory<dyn Repositories>, count: usize) -> anyhow::Result<()> {
    let options = TransactionOptions::new(Isolation::ReadCommitted, Duration::from_secs(60));
    let mut left = count;
    while left > 0 {
        let events = events(left.min(PER_COMMIT))?;
        left -= events.len();
        let mut unit = units.begin(options).await?;
        unit.outbox().append(&events).await?;
        unit.commit().await?;
    }
    Ok(())
}
