//! What the clients have asked for, and what they were told.

use uuid::Uuid;

/// How an activity's title has its handlers behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    Good,
    Slow,
    Flaky(u8),
    Poison,
    Permanent,
    Panic,
    Endless,
    Block,
    Abort,
}

impl Temper {
    /// What its title begins with.
    pub(crate) fn prefix(self) -> String {
        match self {
            Self::Good => String::new(),
            Self::Slow => "fault:slow ".to_owned(),
            Self::Flaky(times) => format!("fault:flaky:{times} "),
            Self::Poison => "fault:poison ".to_owned(),
            Self::Permanent => "fault:permanent ".to_owned(),
            Self::Panic => "fault:panic ".to_owned(),
            Self::Endless => "fault:endless ".to_owned(),
            Self::Block => "fault:block ".to_owned(),
            Self::Abort => "fault:abort ".to_owned(),
        }
    }

    /// Whether its events can only end as dead letters, or behind one.
    pub(crate) fn is_deadly(self) -> bool {
        !matches!(self, Self::Good | Self::Slow | Self::Flaky(_))
    }
}

/// What became of a request, as far as its client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It never left: nobody listened.
    Unsent,
    /// It may have been done.
    Unknown,
    /// It was answered with success.
    Acknowledged,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Make it, with this many minutes.
    Create(u32),
    /// Change its minutes to this.
    Patch(u32),
    /// Delete it.
    Delete,
}

/// A request of one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) change: Change,
    pub(crate) outcome: Outcome,
}

/// An activity as it is stored: version and minutes. `None` when there is none.
pub(crate) type State = Option<(u64, u32)>;

/// The life of one activity, which has one client. One request follows the other, and none follows one whose outcome stayed unknown.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    /// Unlike all others.
    pub(crate) title: String,
    pub(crate) temper: Temper,
    /// Its id, once it is known.
    pub(crate) id: Option<Uuid>,
    pub(crate) requests: Vec<Request>,
}

impl Life {
    /// The states it can be in: one, or two after a request whose outcome is unknown.
    pub(crate) fn possible(&self) -> Vec<State> {
        let mut states: Vec<State> = vec![None];
        for request in &self.requests {
            let after = |before: State| match (request.change, before) {
                (Change::Create(minutes), _) => Some((1, minutes)),
                (Change::Patch(minutes), Some((version, _))) => Some((version + 1, minutes)),
                (Change::Patch(_), None) | (Change::Delete, _) => None,
            };
            let changed: Vec<State> = states.iter().copied().map(after).collect();
            match request.outcome {
                Outcome::Unsent => {}
                Outcome::Unknown => states.extend(changed),
                Outcome::Acknowledged => states = changed,
            }
        }
        states
    }
}

/// Everything that the clients know.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientLog {
    pub(crate) lives: Vec<Life>,
    /// Answers that must not have been given.
    pub(crate) wrong_answers: Vec<String>,
}
