//! The layers, as the crates really depend on each other:
//!
//! ```text
//! activelog (root) → interfaces, infrastructure → application → domain
//! ```
//!
//! `interfaces` and `infrastructure` never see each other. `domain` does no I/O and knows no runtime; `application` knows no driver, no
//! HTTP and no SQL. What they may depend on stands here, with the reason.

#![expect(clippy::expect_used, reason = "a test that cannot read the workspace has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Which crates of the workspace a crate may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("activelog", &["activelog-application", "activelog-domain", "activelog-infrastructure", "activelog-interfaces"]),
    ("activelog-interfaces", &["activelog-application", "activelog-domain"]),
    ("activelog-infrastructure", &["activelog-application", "activelog-domain"]),
    ("activelog-application", &["activelog-domain"]),
    ("activelog-domain", &[]),
];

/// Third-party crates that the domain may depend on, and why.
const DOMAIN: &[(&str, &str)] = &[
    ("base64", "CloudEvents JSON carries binary data as base64"),
    ("bytes", "event data is shared, never copied"),
    ("jiff", "instants and calendar days are domain values"),
    ("secrecy", "secrets stay out of logs and are wiped from memory"),
    ("serde", "events are encoded"),
    ("serde_json", "events are encoded as JSON"),
    ("thiserror", "errors name what is wrong"),
    ("url", "where a webhook is, checked"),
    ("uuid", "ids are domain values"),
];

/// Third-party crates that the application may depend on, and why.
const APPLICATION: &[(&str, &str)] = &[
    ("async-trait", "ports are async traits behind `dyn`"),
    ("backon", "back-off with jitter"),
    ("bytes", "payloads are shared, never copied"),
    ("fastrand", "jitter"),
    ("futures", "combining futures"),
    ("jiff", "instants of the ports"),
    ("serde", "inputs and answers of use cases"),
    ("serde_json", "stored answers"),
    ("thiserror", "errors name what is wrong"),
    ("tokio", "tasks, timers and channels: the one runtime"),
    ("tokio-util", "cancellation and task tracking"),
    ("tracing", "spans and log lines"),
    ("uuid", "ids"),
    ("xxhash-rust", "partitions of keys, stable across versions"),
];

/// Words that show a driver, a framework or SQL in the source of the inner layers.
const FORBIDDEN: &[&str] = &[
    "sqlx",
    "axum",
    "hyper",
    "reqwest",
    "tower_http",
    "rusqlite",
    "tokio_postgres",
    "lapin",
    "rdkafka",
    "async_nats",
    "std::fs",
    "tokio::fs",
    "tokio::net",
    "std::net::Tcp",
];

/// How SQL statements begin, as far as prose does not.
const SQL: &[&str] =
    &["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "ALTER TABLE ", "PRAGMA "];

fn metadata() -> Metadata {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).no_deps().other_options(["--offline".to_owned()]);
    command.exec().expect("cargo describes the workspace")
}

/// What is built into the crate: neither what only its tests use nor what only its build script uses.
fn normal_dependencies(package: &Package) -> BTreeSet<&str> {
    let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
    normal.map(|d| d.name.as_str()).collect()
}

#[test]
fn crates_depend_on_the_layers_below_them_only() {
    let metadata = metadata();
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let members: BTreeSet<&str> = metadata.workspace_packages().iter().map(|p| p.name.as_str()).collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(allowed) = layers.get(package.name.as_str()) else {
            wrong.push(format!("{} is a new crate: give it a place in LAYERS in tests/architecture.rs", package.name));
            continue;
        };
        for dependency in normal_dependencies(package).intersection(&members).filter(|d| !allowed.contains(d)) {
            wrong.push(format!(
                "{} depends on {dependency}, which its layer must not see (it may see {allowed:?}): have what is needed from there \
                 behind a port in crates/application/src/ports, and put the two together in the root's src/bootstrap",
                package.name
            ));
        }
    }
    assert!(wrong.is_empty(), "the layers are broken:\n- {}", wrong.join("\n- "));
    let gone: Vec<_> = layers.keys().filter(|name| !members.contains(*name)).collect();
    assert!(gone.is_empty(), "no longer in the workspace; take them out of LAYERS: {gone:?}");
}

#[test]
fn the_inner_layers_depend_on_what_is_allowed_only() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for (name, list) in [("activelog-domain", DOMAIN), ("activelog-application", APPLICATION)] {
        let packages = metadata.workspace_packages();
        let package = packages.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("{name} is in the workspace"));
        let allowed: BTreeSet<&str> = list.iter().map(|(dependency, _)| *dependency).collect();
        let found: BTreeSet<&str> =
            normal_dependencies(package).into_iter().filter(|d| !d.starts_with("activelog-")).collect();
        for new in found.difference(&allowed) {
            wrong.push(format!(
                "{name} depends on {new}, which is not on its list: move what needs it into infrastructure or interfaces, behind a port, \
                 or, if it does no I/O and the layer cannot do without, add it to the list in tests/architecture.rs with the reason"
            ));
        }
        for unused in allowed.difference(&found) {
            wrong.push(format!("{name} no longer depends on {unused}: take it off the list in tests/architecture.rs"));
        }
    }
    assert!(wrong.is_empty(), "the inner layers' dependencies:\n- {}", wrong.join("\n- "));
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// What is wrong with a line, if anything. Comments may speak of anything.
fn offence(line: &str) -> Option<&'static str> {
    let code = line.split("//").next().unwrap_or_default();
    let names = FORBIDDEN.iter().find(|word| code.contains(**word));
    let quoted =
        |statement: &&&str| code.contains(&format!("\"{statement}")) || code.trim_start().starts_with(**statement);
    names.or_else(|| SQL.iter().find(quoted)).copied()
}

#[test]
fn the_source_of_the_inner_layers_names_no_driver_no_http_and_no_sql() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for layer in ["crates/domain/src", "crates/application/src"] {
        rust_files(&root.join(layer), &mut files);
    }
    assert!(files.len() > 50, "the layers' sources are not where this test looks: {} files", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("readable source");
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(found) = offence(line) {
                let shown = file.strip_prefix(root).unwrap_or(&file).display();
                wrong.push(format!("{shown}:{number}: {found:?} in {:?}", line.trim()));
            }
        }
    }
    let advice =
        "declare a port in crates/application/src/ports and implement it in crates/infrastructure or crates/interfaces";
    assert!(wrong.is_empty(), "the inner layers know too much; {advice}:\n- {}", wrong.join("\n- "));
}

#[test]
fn offences_are_found_in_code_and_not_in_comments() {
    for (line, found) in [
        ("use sqlx::PgPool;", Some("sqlx")),
        ("    let router = axum::Router::new();", Some("axum")),
        (r#"    query("SELECT 1")"#, Some("SELECT ")),
        ("        DELETE FROM outbox", Some("DELETE FROM ")),
        ("// as sqlx does: SELECT 1", None),
        (r#"    "choose UPDATE or DELETE""#, None),
    ] {
        assert_eq!(offence(line), found, "{line}");
    }
}
