use crate::ports::DeadLetterState;

/// What an operator does about a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Have its handler take it after all.
    Replay,
    /// Give it up for ever.
    Discard,
}

impl Remedy {
    /// Its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Discard => "discard",
        }
    }
}

/// What became of one dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedied {
    /// The remedy was applied; in a dry run, it would have been.
    Done,
    /// There is no dead letter of this number.
    NotFound,
    /// It is in this state, in which nothing can be done about it.
    NotDead(DeadLetterState),
}
