use activelog_application::{
    failures::{Remedied, Remedy},
    ports::DeadLetterState,
};
use axum::{extract::State, response::Response};

use super::get::show;
use crate::http::{
    extract::{ActingUser, DeadLetterId, NoBody, Params},
    problem::{Problem, ProblemDocument, ProblemKind},
    state::Http,
    views::WholeDeadLetterView,
};

/// Replay a dead letter
///
/// Parks it again in its old place, before what was parked after it; a worker takes it at once. If it dies again, it keeps its number and
/// its history.
#[utoipa::path(
    post,
    path = "/dead-letters/{id}/replay",
    tag = "dead letters",
    params(("id" = i64, Path, description = "The dead letter's number.", example = 17)),
    responses(
        (status = 200, description = "It is being replayed.", body = WholeDeadLetterView),
        (
            status = 409,
            description = "It is not dead any more.",
            body = ProblemDocument,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn replay_dead_letter(
    State(http): State<Http>,
    acting: ActingUser,
    id: DeadLetterId,
    params: Params,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    act(&http, acting, id, params, Remedy::Replay).await
}

/// Discard a dead letter
///
/// It will never be taken. Later events of its aggregate go on if they waited for it.
#[utoipa::path(
    post,
    path = "/dead-letters/{id}/discard",
    tag = "dead letters",
    params(("id" = i64, Path, description = "The dead letter's number.", example = 17)),
    responses(
        (status = 200, description = "It is discarded.", body = WholeDeadLetterView),
        (
            status = 409,
            description = "It is not dead any more.",
            body = ProblemDocument,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn discard_dead_letter(
    State(http): State<Http>,
    acting: ActingUser,
    id: DeadLetterId,
    params: Params,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    act(&http, acting, id, params, Remedy::Discard).await
}

async fn act(
    http: &Http,
    acting: ActingUser,
    DeadLetterId(id): DeadLetterId,
    params: Params,
    remedy: Remedy,
) -> Result<Response, Problem> {
    params.finish()?;
    acting.is_operator()?;
    match http.change(http.failures().remedy(remedy, id, false)).await? {
        Remedied::Done => show(http, id).await,
        Remedied::NotFound => Err(Problem::not_found("dead letter", id)),
        Remedied::NotDead(state) => Err(not_dead(id, state)),
    }
}

fn not_dead(id: i64, state: DeadLetterState) -> Problem {
    let what = match state {
        DeadLetterState::Dead | DeadLetterState::Replaying => "is being replayed",
        DeadLetterState::Replayed => "was replayed, and its handler has taken it",
        DeadLetterState::Discarded => "was discarded",
    };
    Problem::new(ProblemKind::NOT_DEAD, format!("Dead letter {id} {what}. Nothing was done."))
}
