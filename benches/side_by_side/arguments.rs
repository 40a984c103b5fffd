use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

/// What can be typed after `cargo bench --`.
#[derive(Debug, Parser)]
#[command(name = "side_by_side", about = "Measures activelog beside bare libraries doing the same work")]
pub(crate) struct Arguments {
    /// Only these, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    only: Vec<Benchmark>,

    /// How long one turn of a load lasts [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: Option<u64>,

    /// A second each, and little data: shows that everything runs, not how fast
    #[arg(long)]
    pub(crate) smoke: bool,

    /// Write the figures to this file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Cargo adds it.
    #[arg(long, hide = true)]
    bench: bool,

    /// This process is not the benchmark but what it compares with.
    #[command(subcommand)]
    pub(crate) counterpart: Option<Counterpart>,
}

impl Arguments {
    /// What is to be run, in the order of the table.
    pub(crate) fn benchmarks(&self) -> Vec<Benchmark> {
        let chosen = |benchmark: &Benchmark| self.only.is_empty() || self.only.contains(benchmark);
        Benchmark::value_variants().iter().copied().filter(chosen).collect()
    }
}

/// The benchmarks, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Benchmark {
    CreateSqlite,
    CreatePostgres,
    RelaySqlite,
    RelayPostgres,
    BacklogSqlite,
    BacklogPostgres,
    BacklogBrokers,
    PoisonSqlite,
    PoisonPostgres,
    FailuresSqlite,
    FailuresPostgres,
    Brokers,
    BrokerRedis,
    BrokerNats,
    BrokerRabbitmq,
    BrokerKafka,
    LatencyEmbedded,
    Start,
    Import,
}

impl Benchmark {
    /// Its name in `--only` and in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CreateSqlite => "create-sqlite",
            Self::CreatePostgres => "create-postgres",
            Self::RelaySqlite => "relay-sqlite",
            Self::RelayPostgres => "relay-postgres",
            Self::BacklogSqlite => "backlog-sqlite",
            Self::BacklogPostgres => "backlog-postgres",
            Self::BacklogBrokers => "backlog-brokers",
            Self::PoisonSqlite => "poison-sqlite",
            Self::PoisonPostgres => "poison-postgres",
            Self::FailuresSqlite => "failures-sqlite",
            Self::FailuresPostgres => "failures-postgres",
            Self::Brokers => "brokers",
            Self::BrokerRedis => "broker-redis",
            Self::BrokerNats => "broker-nats",
            Self::BrokerRabbitmq => "broker-rabbitmq",
            Self::BrokerKafka => "broker-kafka",
            Self::LatencyEmbedded => "latency-embedded",
            Self::Start => "start",
            Self::Import => "import",
        }
    }
}

/// The bare programs.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
#[expect(
    clippy::enum_variant_names,
    reason = "they are words of the command line, where nothing else says that they are bare"
)]
pub(crate) enum Counterpart {
    /// Answers `POST /activities` with the plain statements.
    BareServer { listen: SocketAddr, database_url: String, pool: u32 },
    /// Empties the outbox: SELECT, DELETE, commit.
    BareDrain { database_url: String },
    /// Runs the statements of a creation so many times, one after the other.
    BareCreates { database_url: String, count: u32 },
}
