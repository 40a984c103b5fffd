//! Random lives of activities, as plain numbers: any value of every field means something, so that generators need no rules and
//! shrinking always gives another valid scenario.

use activelog_domain::{
    activity::{ActivityChanges, ActivityDate, ActivityDraft, ActivityType, Calories, Distance, Duration, Tags, Title},
    user::UserId,
    validation::FieldError,
};
use jiff::{Timestamp, ToSpan, civil::date, tz::TimeZone};
use uuid::Uuid;

/// What users do, and in which order the events of it are handled.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    /// How many users there are; none counts as one.
    pub users: u8,
    /// What they do, one after the other.
    pub operations: Vec<Operation>,
    /// How events are handled: each number picks which activities' next events come, how many at once, and what arrives
    /// again. When they are used up, the rest comes activity by activity.
    pub deliveries: Vec<u16>,
}

/// Something a user does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Operation {
    /// Of ten, six create, three update and one deletes.
    pub choice: u8,
    /// Which of the activities that are there is updated or deleted.
    pub target: u16,
    /// Which user creates.
    pub user: u8,
    /// Which fields an update changes, a bit each; none at all changes nothing.
    pub fields: u8,
    /// The type.
    pub activity_type: u8,
    /// The day, among days around the borders of weeks, months, years and a leap day.
    pub day: u8,
    /// The time of day; every other one is the first or last second of it.
    pub time: u32,
    /// How long it takes.
    pub minutes: u16,
    /// How far it goes, if anywhere.
    pub metres: Option<u16>,
    /// What it burns, if known.
    pub calories: Option<u16>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Update,
    Delete,
}

impl Scenario {
    /// The scenario of a seed.
    pub fn from_seed(seed: u64, users: u8, operations: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let operations: Vec<Operation> = (0..operations).map(|_| Operation::random(&mut random)).collect();
        let deliveries = operations.iter().map(|_| random.u16(..)).collect();
        Self { users, operations, deliveries }
    }
}

impl Operation {
    fn random(random: &mut fastrand::Rng) -> Self {
        Self {
            choice: random.u8(..),
            target: random.u16(..),
            user: random.u8(..),
            fields: random.u8(..),
            activity_type: random.u8(..),
            day: random.u8(..),
            time: random.u32(..),
            minutes: random.u16(..),
            metres: random.bool().then(|| random.u16(..)),
            calories: random.bool().then(|| random.u16(..)),
        }
    }

    pub(super) fn action(&self) -> Action {
        match self.choice % 10 {
            0..6 => Action::Create,
            6..9 => Action::Update,
            _ => Action::Delete,
        }
    }

    pub(super) fn draft(&self, users: u8) -> Result<ActivityDraft, FieldError> {
        Ok(ActivityDraft {
            user_id: UserId(Uuid::from_u128(1 + u128::from(self.user % users.max(1)))),
            activity_type: self.activity_type()?,
            title: Title::new("An activity")?,
            description: None,
            duration: self.duration()?,
            distance: self.distance()?,
            calories: self.calories()?,
            notes: None,
            tags: Tags::default(),
            activity_date: self.date(),
        })
    }

    pub(super) fn changes(&self) -> Result<ActivityChanges, FieldError> {
        let set = |bit: u8| self.fields & (1 << bit) != 0;
        Ok(ActivityChanges {
            activity_type: set(0).then(|| self.activity_type()).transpose()?,
            title: set(1).then(|| Title::new("Another title")).transpose()?,
            duration: set(2).then(|| self.duration()).transpose()?,
            distance: set(3).then(|| self.distance()).transpose()?,
            calories: set(4).then(|| self.calories()).transpose()?,
            activity_date: set(5).then(|| self.date()),
            ..ActivityChanges::default()
        })
    }

    fn activity_type(&self) -> Result<ActivityType, FieldError> {
        ActivityType::new(["run", "ride", "swim"][usize::from(self.activity_type % 3)])
    }

    fn duration(&self) -> Result<Duration, FieldError> {
        Duration::new(1 + i64::from(self.minutes % 300))
    }

    /// Few different distances, so that some are equal; zero is among them.
    fn distance(&self) -> Result<Option<Distance>, FieldError> {
        self.metres.map(|m| Distance::from_metres(i64::from(m % 20) * 1_001)).transpose()
    }

    fn calories(&self) -> Result<Option<Calories>, FieldError> {
        self.calories.map(|c| Calories::new(c.into())).transpose()
    }

    fn date(&self) -> ActivityDate {
        let (first, offset) = match self.day % 30 {
            n @ 0..21 => (date(2025, 12, 22), n),
            n => (date(2024, 2, 25), n - 21),
        };
        let second = match self.time % 4 {
            0 => 0,
            1 => 86_399,
            _ => i64::from(self.time % 86_400),
        };
        let midnight = first.saturating_add(i64::from(offset).days()).to_zoned(TimeZone::UTC).map(|z| z.timestamp());
        let midnight = midnight.unwrap_or(Timestamp::UNIX_EPOCH);
        ActivityDate::stored(midnight.saturating_add(second.seconds()).unwrap_or(midnight))
    }
}
