//! The table of guarantees in `docs/guarantees.md`, made from what the adapters declare, which is what the suite has tried.

use std::{fmt::Write, fs, path::Path};

use activelog_application::{
    ports::{BrokerCapabilities, Durability, OrderingGuarantee},
    testing::broker::cases,
};

/// The trial that compares page and adapters.
pub(crate) const NAME: &str = "guarantees::page_says_what_adapters_declare";

/// The table stands between these lines.
const BEGIN: &str = "<!-- The table is made by `ACTIVELOG_WRITE_GUARANTEES=1 cargo test --all-features --test conformance guarantees`. -->";
const END: &str = "<!-- The end of the table. -->";

const HEAD: &str = "| broker | kept when a process is killed | kept at a loss of power | order | replay | delay | wildcards | largest event | the same event again | cases |
|---|---|---|---|---|---|---|---|---|---|
";

/// Fails when the page says something else of one of these adapters. With `ACTIVELOG_WRITE_GUARANTEES=1` the page is made to say it.
pub(crate) fn check(declared: &[(&str, BrokerCapabilities)]) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guarantees.md");
    let page = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (before, rest) = page.split_once(BEGIN).ok_or_else(|| format!("no line {BEGIN:?}"))?;
    let (table, after) = rest.split_once(END).ok_or_else(|| format!("no line {END:?}"))?;
    // What is on the fake storage is for the suite alone.
    let declared: Vec<_> = declared.iter().filter(|(name, _)| !name.ends_with("_on_memory")).collect();
    if std::env::var_os("ACTIVELOG_WRITE_GUARANTEES").is_some() {
        let rows: String = declared.iter().map(|(name, offered)| row(name, offered)).collect();
        let page = format!("{before}{BEGIN}\n\n{HEAD}{rows}\n{END}{after}");
        return fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()));
    }
    let wrong = declared.iter().map(|(name, offered)| row(name, offered)).filter(|row| !table.contains(row.as_str()));
    let wrong: String = wrong.collect();
    // Where adapters are left out, for want of a feature or a server, the page says more than is known here.
    let is_complete = crate::support::require_servers() && ALL_FEATURES;
    let rows = || declared.iter().map(|(name, offered)| row(name, offered));
    let stale = table.lines().filter(|line| line.starts_with("| `") && !rows().any(|row| row.trim_end() == *line));
    let stale: String = stale.filter(|_| is_complete).map(|line| format!("{line}\n")).collect();
    match wrong.is_empty() && stale.is_empty() && table.contains(HEAD) {
        true => Ok(()),
        false => Err(format!(
            "docs/guarantees.md does not say what the adapters declare. Missing are:\n{wrong}There, and of no adapter, are:\n{stale}Write the table with\n\
             ACTIVELOG_WRITE_GUARANTEES=1 cargo test --all-features --test conformance guarantees"
        )),
    }
}

/// Whether every adapter is part of this build.
const ALL_FEATURES: bool = cfg!(all(
    feature = "sqlite",
    feature = "postgres",
    feature = "redis",
    feature = "nats",
    feature = "rabbitmq",
    feature = "kafka"
));

fn row(name: &str, offered: &BrokerCapabilities) -> String {
    let all = cases();
    let left_out: Vec<_> = all.iter().filter(|case| !(case.applies)(offered)).map(|case| case.name).collect();
    let mut suite = format!("{} of {}", all.len() - left_out.len(), all.len());
    if !left_out.is_empty() {
        // Writing to text cannot fail.
        let _written = write!(suite, ", without `{}`", left_out.join("`, `"));
    }
    let columns = [
        format!("`{}`", name.replace("_on_", "` on `")),
        yes(offered.durability >= Durability::ProcessCrash).to_owned(),
        yes(offered.durability >= Durability::PowerLoss).to_owned(),
        match offered.ordering {
            OrderingGuarantee::PerKey => "per key",
            OrderingGuarantee::None => "none",
        }
        .to_owned(),
        if offered.replay { "what is kept" } else { "no" }.to_owned(),
        if offered.native_delay { "by the broker" } else { "by the worker" }.to_owned(),
        if offered.wildcard { "by the broker" } else { "by the worker" }.to_owned(),
        format!("{} KiB", offered.max_payload >> 10),
        if offered.deduplicates { "once" } else { "may come twice" }.to_owned(),
        suite,
    ];
    format!("| {} |\n", columns.join(" | "))
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "**no**" }
}
