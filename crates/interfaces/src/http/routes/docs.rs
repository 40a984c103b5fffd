use std::sync::LazyLock;

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{Redirect, Response},
    routing,
};
use bytes::Bytes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::http::{extract::Params, layers::DOCS_POLICY, openapi, problem::Problem, state::Http};

/// The document, written once: it never changes while the process runs.
static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| openapi().to_json().map(Bytes::from).unwrap_or_else(|_| Bytes::from_static(b"{}")));

/// The OpenAPI 3.1 description of this API
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "description",
    responses((status = 200, description = "The document.", content_type = "application/json", body = serde_json::Value)),
)]
pub(super) async fn openapi_json(params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let mut response = Response::new(Body::from(DOCUMENT.clone()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The API page at `/docs`, whose every file is part of the binary, and the way there from `/`.
pub(super) fn page() -> Router<Http> {
    let config = Config::from("/openapi.json").try_it_out_enabled(true).validator_url("none");
    Router::from(SwaggerUi::new("/docs").config(config))
        .layer(middleware::from_fn(page_policy))
        .route("/", routing::get(|| async { Redirect::to("/docs/") }))
}

async fn page_policy(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, DOCS_POLICY);
    response
}
