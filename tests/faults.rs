//! The program under every fault there is: its roles as separate processes on SQLite, on PostgreSQL, and on PostgreSQL beside each broker that is a server, killed, frozen,
//! stopped, cut off, out of disk and given handlers that misbehave, while clients write. One oracle judges all of it: what the clients were told, the tables, and a ledger of effects.
//!
//! ```text
//! cargo test --all-features --test faults                             every scenario, about seventeen minutes
//! cargo test --all-features --test faults -- sqlite::                 those on one database, or one broker
//! cargo test --all-features --test faults -- --long 4h                with more faults, over and over
//! cargo test --all-features --test faults -- --kills 300              300 kills of every component in a row
//! cargo test --all-features --test faults -- --volume 100000          as many activities through each broker that is a server
//! ACTIVELOG_FAULTS_SEED=17 cargo test …                               the same schedule again
//! ```
//!
//! Adding a scenario: a function in `tests/faults/scenarios/` and a line in its list.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking and tells by printing"
)]

#[path = "faults/broker.rs"]
mod broker;
#[path = "faults/bulk.rs"]
mod bulk;
#[path = "faults/cast.rs"]
mod cast;
#[path = "faults/client.rs"]
mod client;
#[path = "faults/database.rs"]
mod database;
#[path = "faults/deleting.rs"]
mod deleting;
#[path = "faults/evidence.rs"]
mod evidence;
#[path = "faults/log.rs"]
mod log;
#[path = "faults/options.rs"]
mod options;
#[path = "faults/oracle/mod.rs"]
mod oracle;
#[path = "faults/processes.rs"]
mod processes;
#[path = "faults/scenarios/mod.rs"]
mod scenarios;
#[path = "faults/schedule.rs"]
mod schedule;
#[path = "faults/small_disk.rs"]
mod small_disk;
#[path = "faults/stage.rs"]
mod stage;
mod support;
#[path = "faults/tally.rs"]
mod tally;

use std::{process::ExitCode, time::Instant};

use libtest_mimic::{Conclusion, Failed, Trial};

use options::{Mode, Options};
use oracle::doctored;
use scenarios::{KILLS, KILLS_ON_BROKERS, ON_BROKERS, OnBroker, Run, SCENARIOS, Setting, VOLUME_ON_BROKERS};
use support::Kind;
use tally::TALLY;

fn main() -> ExitCode {
    let mut options = match Options::read() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    // Each scenario has machine enough to itself.
    options.arguments.test_threads = options.arguments.test_threads.or(Some(1));
    println!("ACTIVELOG_FAULTS_SEED={}", options.seed);
    let begin = Instant::now();
    let conclusion = loop {
        let conclusion = libtest_mimic::run(&options.arguments, trials(options.mode, options.seed));
        match options.mode {
            Mode::Long(time) if begin.elapsed() < time && !conclusion.has_failed() => {
                options.seed = options.seed.wrapping_add(1);
                println!("ACTIVELOG_FAULTS_SEED={}", options.seed);
            }
            _ => break conclusion,
        }
    };
    if conclusion.num_passed > 0 {
        println!("What was done, and what came of it:\n{}", TALLY.table());
    }
    exit_code(&conclusion)
}

fn exit_code(conclusion: &Conclusion) -> ExitCode {
    if conclusion.has_failed() { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

/// The judge is judged first.
fn trials(mode: Mode, seed: u64) -> Vec<Trial> {
    let mut trials = vec![
        plain("oracle::what_is_right_is_accepted", doctored::what_is_right_is_accepted),
        plain("oracle::halves_are_refused", doctored::halves_are_refused),
        plain("oracle::what_is_doctored_is_refused", doctored::what_is_doctored_is_refused),
        plain("schedule::a_seed_reproduces_its_schedule", schedule::a_seed_reproduces_its_schedule),
    ];
    let scenarios = match mode {
        Mode::Bounded | Mode::Long(_) => SCENARIOS,
        Mode::Kills(_) => KILLS,
        Mode::Volume(_) => &[],
    };
    let missing = !support::require_servers() && !support::private_postgres::has_postgres();
    for (database, postgres) in [("sqlite", false), ("postgres", true)] {
        for scenario in scenarios.iter().filter(|scenario| postgres || !scenario.needs_server) {
            let name = format!("{database}::{}", scenario.name);
            let setting = Setting { postgres, broker: None, seed: seed ^ hash(&name), mode };
            let trial = Trial::test(name, move || run(scenario.run, setting));
            trials.push(trial.with_ignored_flag(postgres && missing));
        }
    }
    if missing {
        scenarios::left_out("every scenario on PostgreSQL, which is not installed");
    }
    trials.extend(Kind::ALL.into_iter().flat_map(|kind| on_broker(kind, missing, mode, seed)));
    trials
}

/// The scenarios on PostgreSQL and one of the brokers that are servers.
fn on_broker(kind: Kind, no_database: bool, mode: Mode, seed: u64) -> Vec<Trial> {
    if !is_compiled_in(kind) {
        scenarios::left_out(&format!(
            "every scenario on {name}: compiled without the feature {name:?}",
            name = kind.name()
        ));
        return Vec::new();
    }
    let missing = no_database || (!support::require_servers() && kind.find().is_none());
    if missing {
        scenarios::left_out(&format!("every scenario on {}. {}", kind.name(), kind.missing()));
    }
    let scenarios = match mode {
        Mode::Bounded | Mode::Long(_) => ON_BROKERS,
        Mode::Kills(_) => KILLS_ON_BROKERS,
        Mode::Volume(_) => VOLUME_ON_BROKERS,
    };
    let here = scenarios.iter().filter(|scenario| match mode {
        Mode::Bounded => scenario.bounded.contains(&kind),
        _ => scenario.everywhere.contains(&kind),
    });
    let trial = |scenario: &OnBroker| {
        let name = format!("{}::{}", kind.name(), scenario.name);
        let setting = Setting { postgres: true, broker: Some(kind), seed: seed ^ hash(&name), mode };
        let body = scenario.run;
        Trial::test(name, move || run(body, setting)).with_ignored_flag(missing)
    };
    here.map(trial).collect()
}

fn is_compiled_in(kind: Kind) -> bool {
    match kind {
        Kind::Redis => cfg!(feature = "redis"),
        Kind::Nats => cfg!(feature = "nats"),
        Kind::RabbitMq => cfg!(feature = "rabbitmq"),
        Kind::Kafka => cfg!(feature = "kafka"),
    }
}

fn plain(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

fn run(scenario: Run, setting: Setting) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(runtime.block_on(scenario(setting))?)
}

/// FNV-1a, so that every scenario has random numbers of its own from one seed.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
