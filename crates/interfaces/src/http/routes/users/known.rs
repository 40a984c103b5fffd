use activelog_domain::{statistics::Figures, user::UserId};

use crate::http::{problem::Problem, state::Http};

/// The user's totals; 404 for a user nobody knows.
pub(super) async fn known_totals(http: &Http, user: UserId) -> Result<Figures, Problem> {
    http.read(http.queries().totals(user)).await?.ok_or_else(|| Problem::not_found("user", user))
}
