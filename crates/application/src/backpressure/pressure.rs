use std::{fmt, time::Duration};

/// What there is too much, or too little, of. Shown, it says what is full and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pressure {
    /// Too many events wait in the outbox.
    OutboxEvents {
        /// How many may.
        bound: u32,
    },
    /// Events wait too long in the outbox.
    OutboxAge {
        /// How long they have.
        age: Duration,
        /// How long they may.
        bound: Duration,
    },
    /// A consumer group is too far behind.
    GroupLag {
        /// Which.
        group: String,
        /// How many events it is behind.
        events: u64,
        /// How many it may be.
        bound: u64,
    },
    /// The disk is nearly full.
    FreeDisk {
        /// Bytes that are free.
        bytes: u64,
        /// Bytes that have to be.
        bound: u64,
    },
}

impl Pressure {
    /// Its name, for logs and figures.
    pub fn name(&self) -> &'static str {
        match self {
            Self::OutboxEvents { .. } => "outbox_events",
            Self::OutboxAge { .. } => "outbox_age",
            Self::GroupLag { .. } => "group_lag",
            Self::FreeDisk { .. } => "free_disk",
        }
    }

    /// When to try again: about as long as it takes for anything to have changed.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::FreeDisk { .. } => Duration::from_secs(30),
            _ => Duration::from_secs(5),
        }
    }
}

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutboxEvents { bound } => write!(
                f,
                "more than {bound} events wait to be published: see that a relay runs and that the broker takes events"
            ),
            Self::OutboxAge { age, bound } => write!(
                f,
                "events have waited {} s to be published, more than {} s: see that a relay runs and that the broker takes events",
                age.as_secs(),
                bound.as_secs()
            ),
            Self::GroupLag { group, events, bound } => write!(
                f,
                "the consumer group {group} is {events} events behind, more than {bound}: see that its workers run, or start more"
            ),
            Self::FreeDisk { bytes, bound } => {
                write!(f, "the disk has {} KiB left, less than {} KiB: make room on it", bytes / 1024, bound / 1024)
            }
        }
    }
}
