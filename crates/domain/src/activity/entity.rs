use jiff::Timestamp;
use uuid::Uuid;

use super::{ActivityDate, ActivityType, Calories, Description, Distance, Duration, Notes, Tags, Title};
use crate::user::UserId;

/// An activity as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its id (UUIDv7).
    pub id: Uuid,
    /// Whose it is.
    pub user_id: UserId,
    /// What kind.
    pub activity_type: ActivityType,
    /// Its title.
    pub title: Title,
    /// Its description, if any.
    pub description: Option<Description>,
    /// How long it took.
    pub duration: Duration,
    /// How far it went, if anywhere.
    pub distance: Option<Distance>,
    /// What it burned, if known.
    pub calories: Option<Calories>,
    /// Private notes, if any.
    pub notes: Option<Notes>,
    /// Its tags, if any.
    pub tags: Tags,
    /// When it took place.
    pub activity_date: ActivityDate,
    /// From 1; every change adds one.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a user says of a new activity: everything but what the application decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityDraft {
    /// Whose it is.
    pub user_id: UserId,
    /// What kind.
    pub activity_type: ActivityType,
    /// Its title.
    pub title: Title,
    /// Its description, if any.
    pub description: Option<Description>,
    /// How long it took.
    pub duration: Duration,
    /// How far it went, if anywhere.
    pub distance: Option<Distance>,
    /// What it burned, if known.
    pub calories: Option<Calories>,
    /// Private notes, if any.
    pub notes: Option<Notes>,
    /// Its tags, if any.
    pub tags: Tags,
    /// When it took place.
    pub activity_date: ActivityDate,
}

/// A change: a field that is `None` stays as it is; an optional field that is `Some(None)` is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityChanges {
    /// What kind.
    pub activity_type: Option<ActivityType>,
    /// Its title.
    pub title: Option<Title>,
    /// Its description.
    pub description: Option<Option<Description>>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// How far it went.
    pub distance: Option<Option<Distance>>,
    /// What it burned.
    pub calories: Option<Option<Calories>>,
    /// Private notes.
    pub notes: Option<Option<Notes>>,
    /// Its tags, in place of all it had.
    pub tags: Option<Tags>,
    /// When it took place.
    pub activity_date: Option<ActivityDate>,
}

impl Activity {
    /// A new activity at version 1.
    pub fn create(id: Uuid, draft: ActivityDraft, now: Timestamp) -> Self {
        Self {
            id,
            user_id: draft.user_id,
            activity_type: draft.activity_type,
            title: draft.title,
            description: draft.description,
            duration: draft.duration,
            distance: draft.distance,
            calories: draft.calories,
            notes: draft.notes,
            tags: draft.tags,
            activity_date: draft.activity_date,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// The activity after `changes`, one version on, and the names of the fields that differ. `None` when nothing
    /// does: there is nothing to store and nothing to tell.
    pub fn change(&self, changes: ActivityChanges, now: Timestamp) -> Option<(Self, Vec<&'static str>)> {
        let mut next = self.clone();
        let mut changed = Vec::new();
        apply(&mut next.activity_type, changes.activity_type, "type", &mut changed);
        apply(&mut next.title, changes.title, "title", &mut changed);
        apply(&mut next.description, changes.description, "description", &mut changed);
        apply(&mut next.duration, changes.duration, "duration_minutes", &mut changed);
        apply(&mut next.distance, changes.distance, "distance_km", &mut changed);
        apply(&mut next.calories, changes.calories, "calories_burned", &mut changed);
        apply(&mut next.notes, changes.notes, "notes", &mut changed);
        apply(&mut next.tags, changes.tags, "tags", &mut changed);
        apply(&mut next.activity_date, changes.activity_date, "activity_date", &mut changed);
        next.version += 1;
        next.updated_at = now;
        (!changed.is_empty()).then_some((next, changed))
    }

    /// The aggregate's id as events name it.
    pub fn subject(id: Uuid) -> String {
        format!("activity-{id}")
    }
}

/// Sets `field` to `value` if there is one and it differs, and notes `name` then.
fn apply<T: PartialEq>(field: &mut T, value: Option<T>, name: &'static str, changed: &mut Vec<&'static str>) {
    if let Some(value) = value
        && *field != value
    {
        *field = value;
        changed.push(name);
    }
}
