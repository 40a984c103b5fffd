use std::{borrow::Cow, convert::Infallible};

use activelog_domain::user::{Actor, UserId};
use axum::{extract::FromRequestParts, http::request::Parts};

use crate::http::problem::{Problem, ProblemKind};

/// Who makes the request. Use cases decide by it what is allowed; handlers that only read ask [`may_see`](Self::may_see).
///
/// There is no authentication yet: whoever reaches the API is the operator, which is why it listens on loopback unless told
/// otherwise. Authentication plugs in here and nowhere else: turn the request's credentials into [`Actor::User`] or
/// [`Actor::Operator`], and answer a 401 problem with `WWW-Authenticate` where they are missing or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct ActingUser(pub(in crate::http) Actor);

impl ActingUser {
    /// A name that tells actors apart, for what is kept per actor.
    pub(in crate::http) fn name(self) -> Cow<'static, str> {
        match self.0 {
            Actor::Operator => Cow::Borrowed("operator"),
            Actor::User(id) => Cow::Owned(id.to_string()),
        }
    }

    /// Fails unless the actor may see what belongs to `user`.
    pub(in crate::http) fn may_see(self, user: UserId) -> Result<(), Problem> {
        if self.0.may_act_for(user) {
            return Ok(());
        }
        Err(Problem::new(ProblemKind::FORBIDDEN, format!("Only user {user} and the operator may see this.")))
    }

    /// Fails unless the actor is the operator.
    pub(in crate::http) fn is_operator(self) -> Result<(), Problem> {
        match self.0 {
            Actor::Operator => Ok(()),
            Actor::User(_) => Err(Problem::new(ProblemKind::FORBIDDEN, "Only the operator may see this.")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ActingUser {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Actor::Operator))
    }
}
