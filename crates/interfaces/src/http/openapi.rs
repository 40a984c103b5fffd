use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, ContentBuilder, Header, HeaderBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, Ref,
        RefOr, Required, Response, ResponseBuilder, Type,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::{KnownFormat, SchemaFormat},
        tag::TagBuilder,
    },
};

use super::{
    extract::{LIMIT_DEFAULT, LIMIT_MAX},
    problem::{PROBLEM_JSON, ProblemDocument},
    routes,
};

/// The OpenAPI 3.1 description of the API: every operation with its parameters, bodies, answers and problems.
pub fn openapi() -> OpenApi {
    let mut api = routes::documented().into_openapi();
    api.info = InfoBuilder::new()
        .title("activelog")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build();
    api.tags =
        Some(TAGS.iter().map(|(name, text)| TagBuilder::new().name(*name).description(Some(*text)).build()).collect());
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            complete(path, method, operation);
        }
    }
    let components = api.components.get_or_insert_with(Components::new);
    let mut schemas = vec![(ProblemDocument::name().into_owned(), ProblemDocument::schema())];
    ProblemDocument::schemas(&mut schemas);
    components.schemas.extend(schemas);
    for problem in PROBLEMS {
        components.responses.insert(problem.name.to_owned(), problem.response().into());
    }
    api
}

const DESCRIPTION: &str = "An activity log: runs, rides, swims, and what follows from them.\n\n\
    Whatever goes wrong is answered with an RFC 9457 problem that names everything that is wrong at once. Unknown fields and \
    parameters are refused. Lists are read page by page: pass `next_cursor` as `cursor` until it is null. A POST that creates \
    or changes something may carry an `Idempotency-Key`; sent again with the same key, it is answered as before and does nothing. \
    Those of dead letters need none: they have the effect of once by themselves. PATCH and DELETE of activities need \
    `If-Match` with the `ETag` of what was read.";

const TAGS: &[(&str, &str)] = &[
    ("activities", "What users do."),
    ("users", "What follows from it for one user."),
    ("webhooks", "Having other programs told of it."),
    ("leaderboard", "Who did most."),
    ("events", "What has been published."),
    ("dead letters", "What handlers were given up on, and what waits for another attempt."),
    ("health", "How the process is doing."),
    ("description", "This document."),
];

/// A problem answer that operations share.
struct Shared {
    status: &'static str,
    name: &'static str,
    description: &'static str,
    slug: &'static str,
    retry_after: bool,
}

const fn shared(status: &'static str, name: &'static str, slug: &'static str, description: &'static str) -> Shared {
    Shared { status, name, description, slug, retry_after: false }
}

const fn later(status: &'static str, name: &'static str, slug: &'static str, description: &'static str) -> Shared {
    Shared { status, name, description, slug, retry_after: true }
}

const PROBLEMS: &[Shared] = &[
    shared("400", "BadRequest", "invalid-parameter", "A parameter or header breaks a rule, or the body is not JSON."),
    shared("404", "NotFound", "not-found", "There is no such thing."),
    shared("408", "BodyTimeout", "body-timeout", "The body took too long to arrive."),
    later("409", "KeyInUse", "idempotency-key-in-use", "A request with this key is still being worked on."),
    shared(
        "412",
        "VersionMismatch",
        "version-mismatch",
        "It has changed; ETag and current_version say to which version.",
    ),
    shared("413", "BodyTooLarge", "body-too-large", "The body is larger than the limit."),
    shared(
        "415",
        "UnsupportedMediaType",
        "unsupported-media-type",
        "The body has another media type or charset, or is compressed.",
    ),
    shared(
        "422",
        "Invalid",
        "validation",
        "Values break rules; `errors` has the first 20 of them. Or the key was used for another request.",
    ),
    shared("428", "PreconditionRequired", "precondition-required", "If-Match is missing."),
    later("429", "TooManyRequests", "rate-limited", "This address makes too many requests."),
    shared("500", "InternalError", "internal", "Something went wrong here; the log knows it by the request id."),
    later(
        "503",
        "Unavailable",
        "unavailable",
        "Not available at the moment: type `backpressure` when more is written than is taken, `storage-full` when there is no room left. \
         With the type `outcome-unknown`, it may have been done.",
    ),
];

impl Shared {
    fn response(&self) -> Response {
        let status: u16 = self.status.parse().unwrap_or_default();
        let mut example = json!({
            "type": format!("urn:activelog:problem:{}", self.slug), "title": self.name, "status": status,
            "detail": self.description, "instance": "/activities",
            "request_id": "01929d5e-0000-7000-8000-000000000009",
        });
        match (self.status, example.as_object_mut()) {
            ("400", Some(fields)) => {
                fields.insert("errors".into(), json!([{ "field": "limit", "rule": "must be 1 to 200", "value": "0" }]));
            }
            ("422", Some(fields)) => {
                let rule = "must be 1 to 43200 whole minutes";
                fields.insert("errors".into(), json!([{ "field": "duration_minutes", "rule": rule, "value": "0" }]));
            }
            ("412", Some(fields)) => {
                fields.insert("current_version".into(), json!(4));
            }
            _ => {}
        }
        let content = ContentBuilder::new()
            .schema(Some(RefOr::Ref(Ref::from_schema_name(ProblemDocument::name()))))
            .example(Some(example))
            .build();
        let mut response = ResponseBuilder::new()
            .description(self.description)
            .content(PROBLEM_JSON, content)
            .header("X-Request-Id", text_header("The request's id."));
        if self.retry_after {
            response = response.header("Retry-After", text_header("After how many seconds to try again."));
        }
        if self.status == "412" {
            response = response.header("ETag", text_header("The current version in quotes."));
        }
        response.build()
    }
}

/// The operations of a path, with their methods.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all =
        [("get", &mut item.get), ("post", &mut item.post), ("patch", &mut item.patch), ("delete", &mut item.delete)];
    all.into_iter().filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

/// Adds what is the same for all operations of a kind.
fn complete(path: &str, method: &str, operation: &mut Operation) {
    let has_body = operation.request_body.is_some();
    let mut statuses = vec!["500"];
    let mut parameters = vec![request_id()];
    if !path.starts_with("/health") {
        statuses.extend(["400", "429", "503"]);
    }
    if path.contains('{') {
        statuses.push("404");
    }
    if method == "post" {
        statuses.push("422");
    }
    if takes_key(path, method) {
        statuses.push("409");
        parameters.push(idempotency_key());
    }
    if is_conditional(path, method) {
        statuses.extend(["412", "422", "428"]);
        parameters.push(if_match());
    }
    if method == "delete" {
        statuses.push("422");
    }
    if method != "get" {
        statuses.extend(["408", "413"]);
        parameters.push(traceparent());
    }
    if has_body {
        statuses.push("415");
    }
    if is_paged(path, method) {
        parameters.extend([cursor(), limit()]);
    }
    operation.parameters.get_or_insert_default().extend(parameters.into_iter().map(RefOr::T));
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let headers = &mut response.headers;
            headers.insert("X-Request-Id".into(), RefOr::T(text_header("The request's id.")));
            if takes_key(path, method) {
                let replayed = text_header("`true` if this is the answer an earlier request with the same key got.");
                headers.insert("Idempotent-Replayed".into(), RefOr::T(replayed));
            }
        }
    }
    for problem in PROBLEMS.iter().filter(|problem| statuses.contains(&problem.status)) {
        let reference = RefOr::Ref(Ref::from_response_name(problem.name));
        operation.responses.responses.entry(problem.status.to_owned()).or_insert(reference);
    }
}

/// Whether an operation changes something that has versions.
fn is_conditional(path: &str, method: &str) -> bool {
    matches!(method, "patch" | "delete") && path.starts_with("/activities")
}

/// Whether an operation lists page by page.
fn is_paged(path: &str, method: &str) -> bool {
    const LISTS: &[&str] =
        &["/activities", "/users/{id}/notifications", "/leaderboard", "/events", "/dead-letters", "/parked"];
    method == "get" && LISTS.contains(&path)
}

/// Whether an operation takes an idempotency key: every POST but those that have the effect of once by themselves.
fn takes_key(path: &str, method: &str) -> bool {
    method == "post" && !path.starts_with("/dead-letters")
}

fn text_header(description: &str) -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(Some(text)).description(Some(description)).build()
}

fn request_id() -> Parameter {
    let format = SchemaFormat::KnownFormat(KnownFormat::Uuid);
    let schema = ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build();
    let text = "The request's id, if the client chooses it; it becomes the correlation id of everything that follows.";
    optional("X-Request-Id", ParameterIn::Header).description(Some(text)).schema(Some(schema)).build()
}

fn traceparent() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    let text = "The caller's W3C trace context; the events this causes carry it on, with `tracestate`.";
    optional("traceparent", ParameterIn::Header)
        .description(Some(text))
        .schema(Some(schema))
        .example(Some(json!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")))
        .build()
}

fn idempotency_key() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255)).build();
    let text = "A name for this request, visible ASCII: sent again with the same name, it is answered as before.";
    optional("Idempotency-Key", ParameterIn::Header)
        .description(Some(text))
        .schema(Some(schema))
        .example(Some(json!("7f2a9c1e-run-2026-03-12")))
        .build()
}

fn if_match() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    optional("If-Match", ParameterIn::Header)
        .required(Required::True)
        .description(Some("The `ETag` of what was read, or `*` for whatever there is."))
        .schema(Some(schema))
        .example(Some(json!("\"1\"")))
        .build()
}

fn cursor() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    let text = "The `next_cursor` of the page before.";
    optional("cursor", ParameterIn::Query).description(Some(text)).schema(Some(schema)).build()
}

fn limit() -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(LIMIT_MAX))
        .default(Some(json!(LIMIT_DEFAULT)))
        .build();
    let text = "How many items at most.";
    optional("limit", ParameterIn::Query).description(Some(text)).schema(Some(schema)).build()
}

fn optional(name: &str, place: ParameterIn) -> ParameterBuilder {
    ParameterBuilder::new().name(name).parameter_in(place).required(Required::False)
}
