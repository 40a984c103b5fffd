use activelog_application::{
    failures::{BulkReport, Remedied},
    ports::DeadLetterState,
};

/// How a command that does something about dead letters ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// Everything that was asked for was done.
    #[default]
    Done,
    /// Some of the numbers could not be acted on.
    SomeRefused,
    /// None of the numbers could be acted on.
    NoneDone,
    /// It was interrupted; running it again goes on.
    Interrupted,
}

/// What became of dead letters that were named by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumbersReport {
    /// Those it was done to.
    pub done: Vec<i64>,
    /// Numbers without a dead letter.
    pub not_found: Vec<i64>,
    /// Those that are not dead any more, and what they are.
    pub not_dead: Vec<(i64, DeadLetterState)>,
    /// Whether it was interrupted before the last.
    pub interrupted: bool,
}

impl NumbersReport {
    pub(super) fn note(&mut self, id: i64, outcome: Remedied) {
        match outcome {
            Remedied::Done => self.done.push(id),
            Remedied::NotFound => self.not_found.push(id),
            Remedied::NotDead(state) => self.not_dead.push((id, state)),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq)]
pub enum RemedyReport {
    /// To dead letters named by number.
    Numbers(NumbersReport),
    /// To those a filter chose.
    Matching {
        /// The figures.
        report: BulkReport,
        /// Whether it was interrupted.
        interrupted: bool,
    },
}

impl RemedyReport {
    /// How the command ended.
    pub fn ending(&self) -> Ending {
        match self {
            Self::Matching { interrupted: true, .. } => Ending::Interrupted,
            Self::Matching { .. } => Ending::Done,
            Self::Numbers(NumbersReport { interrupted: true, .. }) => Ending::Interrupted,
            Self::Numbers(report) => match (report.done.is_empty(), report.refused()) {
                (_, 0) => Ending::Done,
                (true, _) => Ending::NoneDone,
                (false, _) => Ending::SomeRefused,
            },
        }
    }
}

impl NumbersReport {
    fn refused(&self) -> usize {
        self.not_found.len() + self.not_dead.len()
    }
}
