//! The HTTP API: JSON over HTTP/1.1.
//!
//! - [`router`] makes the service from an [`HttpState`] and [`HttpOptions`]; [`serve`] runs it on a listener until it is told
//!   to stop; [`openapi`] describes it.
//! - Whatever goes wrong is answered with an RFC 9457 problem, with all broken rules at once. Problems are rendered in one
//!   place, the outermost layer, which also logs those that are the server's fault, once.
//! - Every change runs in a transaction and a task of its own (see [`application::orchestrator`](activelog_application::orchestrator)): a client that disconnects
//!   cancels nothing half-way.
//!
//! # Adding an endpoint
//!
//! Write one file in `routes/`: the handler with its `#[utoipa::path]`, which makes both the route and its documentation. Add it to
//! `routes/router.rs`, or to the `operations.rs` of its folder. Take who acts from `ActingUser`, parameters from `Params`, a body
//! from `JsonBody`, and answer `Result<Response, Problem>`. Answers common to all operations (429, 500, 503 …) are documented by
//! `openapi.rs`.

mod broken_rules;
mod cursor;
mod extract;
mod failure;
mod health;
mod json_object;
mod layers;
mod openapi;
mod problem;
mod problem_kind;
mod routes;
mod run;
mod server;
mod state;
mod views;

pub use health::{ComponentHealth, ComponentStatus, HealthSource, ServerFacts};
pub use openapi::openapi;
pub use routes::{health_router, router};
pub use server::serve;
pub use state::{HttpOptions, HttpState};
