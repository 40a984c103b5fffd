//! Users. A user is known from the first use on.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A user's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub Uuid);

impl std::fmt::Display for UserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Who asks for something: the use cases decide by it what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The one who runs the installation: may act for every user.
    Operator,
    /// A user: may act for themselves alone.
    User(UserId),
}

impl Actor {
    /// Whether this actor may read and change what belongs to `user`.
    pub fn may_act_for(self, user: UserId) -> bool {
        match self {
            Self::Operator => true,
            Self::User(id) => id == user,
        }
    }
}
