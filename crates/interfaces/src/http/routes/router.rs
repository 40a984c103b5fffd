use std::sync::Arc;

use axum::Router;
use tower_http::compression::{CompressionLayer, predicate::SizeAbove};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{activities, dead_letters, docs, events, health, leaderboard, users};
use crate::http::{
    HttpOptions, HttpState,
    layers::{self, Admission, FailureLog},
    state::Http,
};

/// The smallest answer worth compressing, in bytes: about what fits one packet.
const COMPRESS_ABOVE: u64 = 1_400;

/// Reads whose answers may be long.
fn reads() -> OpenApiRouter<Http> {
    OpenApiRouter::default()
        .merge(activities::reads())
        .merge(users::reads())
        .routes(routes!(leaderboard::get_leaderboard))
        .routes(routes!(events::list_events))
        .merge(dead_letters::reads())
        .routes(routes!(docs::openapi_json))
}

/// Everything else: short answers, which pass through as few layers as possible.
fn rest() -> OpenApiRouter<Http> {
    OpenApiRouter::default()
        .merge(activities::routes())
        .merge(users::routes())
        .merge(dead_letters::routes())
        .merge(health::routes())
}

/// Every documented route.
pub(in crate::http) fn documented() -> OpenApiRouter<Http> {
    reads().merge(rest())
}

/// The API as a service. Serve it with [`serve`](crate::http::serve), which also tells it the address of clients.
pub fn router(state: HttpState, options: HttpOptions) -> Router {
    let reads = Router::from(reads())
        .route_layer(CompressionLayer::new().gzip(true).compress_when(SizeAbove::new(COMPRESS_ABOVE)));
    service(Router::from(rest()).merge(reads).merge(docs::page()), state, options)
}

/// `/health` alone, for a process without the API.
pub fn health_router(state: HttpState, options: HttpOptions) -> Router {
    service(Router::from(health::routes()), state, options)
}

fn service(routes: Router<Http>, state: HttpState, options: HttpOptions) -> Router {
    let http = Http::new(state, options);
    let admission = Admission::new(http.options(), http.0.state.pressure.clone());
    routes
        .fallback(|| async { axum::http::StatusCode::NOT_FOUND })
        .layer(axum::middleware::from_fn_with_state(
            (http.clone(), admission, Arc::<FailureLog>::default()),
            layers::edge,
        ))
        .with_state(http)
}
