//! The inputs that are kept for the fuzz targets (`fuzz/corpus/`), through the same checks as there, in an ordinary build.

#![expect(clippy::expect_used, clippy::panic, reason = "a check fails by panicking")]

use std::{
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

#[path = "../fuzz/checks/configuration.rs"]
mod configuration;
#[path = "../fuzz/checks/csv_import.rs"]
mod csv_import;
#[path = "../fuzz/checks/envelope.rs"]
mod envelope;
#[path = "../fuzz/checks/filters/mod.rs"]
mod filters;

/// Fails with the names of the inputs that do not pass.
fn all_pass(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).expect("a readable folder");
    let inputs: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    assert!(inputs.len() > 20, "{} has lost its inputs", folder.display());
    let passes = |input: &Path| {
        let content = fs::read(input).expect("a readable input");
        catch_unwind(|| check(&content)).is_ok()
    };
    let failed: Vec<_> = inputs.iter().filter(|input| !passes(input)).collect();
    assert!(failed.is_empty(), "these do not pass, for the reasons above: {failed:#?}");
}

#[test]
fn envelopes() {
    all_pass("envelope", envelope::check);
}

#[test]
fn files_to_import() {
    all_pass("csv_import", csv_import::check);
}

#[test]
fn configurations() {
    all_pass("configuration", configuration::check);
}

#[test]
fn filters_and_patterns() {
    all_pass("filters", filters::check);
}
