//! What activelog does, beside the same work done by bare libraries in the same run. See `benches/README.md`.
//!
//! What is measured is the program itself in a process of its own; its counterpart is this binary, run again as a bare
//! server or loop.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark is for reading")]

mod arguments;
mod backlog;
mod bare;
mod bench;
mod brokers;
mod connection;
mod create;
mod failures;
mod figures;
mod import;
mod latency;
mod load;
mod machine;
mod observer;
mod poison;
mod process;
mod relay;
mod report;
mod seed;
mod servers;
mod start;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Benchmark};
use bench::Bench;
use machine::Machine;
use report::{Report, Row};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.counterpart {
        Some(counterpart) => bare::run(counterpart).map(|()| true),
        None => measure(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the benchmarks and prints the table. `false` when one of them could not be run; a bar that was missed is no failure.
fn measure(arguments: &Arguments) -> anyhow::Result<bool> {
    let bench = Bench::new(arguments)?;
    let mut report = Report::new(Machine::look(bench.folder())?);
    eprintln!("{}", report.machine);
    let mut complete = true;
    for benchmark in arguments.benchmarks() {
        eprintln!("running {}", benchmark.name());
        match run(benchmark, &bench) {
            Ok(rows) => report.rows.extend(rows),
            Err(error) => {
                eprintln!("error: {}: {error:#}", benchmark.name());
                report.rows.push(Row::failed(benchmark.name(), &error));
                complete = false;
            }
        }
    }
    println!("{report}");
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report.json())?)?;
    }
    Ok(complete)
}

fn run(benchmark: Benchmark, bench: &Bench) -> anyhow::Result<Vec<Row>> {
    match benchmark {
        Benchmark::CreateSqlite => create::sqlite(bench),
        Benchmark::CreatePostgres => create::postgres(bench),
        Benchmark::RelaySqlite => relay::sqlite(bench),
        Benchmark::RelayPostgres => relay::postgres(bench),
        Benchmark::BacklogSqlite => backlog::sqlite(bench),
        Benchmark::BacklogPostgres => backlog::postgres(bench),
        Benchmark::BacklogBrokers => servers::backlog::run(bench),
        Benchmark::PoisonSqlite => poison::sqlite(bench),
        Benchmark::PoisonPostgres => poison::postgres(bench),
        Benchmark::FailuresSqlite => failures::sqlite(bench),
        Benchmark::FailuresPostgres => failures::postgres(bench),
        Benchmark::Brokers => brokers::run(bench),
        Benchmark::BrokerRedis => servers::redis(bench),
        Benchmark::BrokerNats => servers::nats(bench),
        Benchmark::BrokerRabbitmq => servers::rabbitmq(bench),
        Benchmark::BrokerKafka => servers::kafka(bench),
        Benchmark::LatencyEmbedded => latency::run(bench),
        Benchmark::Start => start::run(bench),
        Benchmark::Import => import::run(bench),
    }
}
