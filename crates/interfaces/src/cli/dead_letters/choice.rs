use std::collections::BTreeSet;

use activelog_application::ports::DeadLetterFilter;

use crate::cli::RemedyArgs;

/// Which dead letters a command acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// These numbers, ascending, each once.
    Numbers(Vec<i64>),
    /// Those that the filter chooses.
    Matching(DeadLetterFilter),
}

/// The arguments choose nothing that makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// Nothing says which.
    #[error(
        "nothing says which dead letters: give their numbers, a filter (--handler, --event, --subject, --reason, --from, --to), or --all"
    )]
    Nothing,
    /// The times are the wrong way round.
    #[error("--from must not be after --to")]
    Times,
}

impl Choice {
    /// What the arguments choose. Everything is chosen only when they say so.
    ///
    /// # Errors
    /// When nothing says which.
    pub fn of(args: &RemedyArgs) -> Result<Self, ChoiceError> {
        let filter = args.filter.filter();
        if !args.ids.is_empty() {
            let ids: BTreeSet<i64> = args.ids.iter().copied().collect();
            return Ok(Self::Numbers(ids.into_iter().collect()));
        }
        if !args.all && filter == DeadLetterFilter::default() {
            return Err(ChoiceError::Nothing);
        }
        in_order(&filter)?;
        Ok(Self::Matching(filter))
    }
}

/// Fails unless the filter's times are in order.
pub(super) fn in_order(filter: &DeadLetterFilter) -> Result<(), ChoiceError> {
    match (filter.from, filter.to) {
        (Some(from), Some(to)) if from > to => Err(ChoiceError::Times),
        _ => Ok(()),
    }
}
