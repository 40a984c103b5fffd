use std::io;

use activelog_application::ports::{SettleError, SubscribeError};

/// Something about a group failed.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// The broker keeps nothing for groups that it does not know yet.
    #[error(
        "the {0} broker keeps nothing for a group before it begins: there is no beginning to start from, use --from now"
    )]
    NoBeginning(&'static str),
    /// The broker cannot do it, or not now.
    #[error(transparent)]
    Broker(#[from] SubscribeError),
    /// The broker has not confirmed it.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// What there is to tell cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl GroupError {
    /// Whether the command was used wrongly and nothing was begun.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoBeginning(_) | Self::Broker(SubscribeError::Invalid(_)))
    }
}
