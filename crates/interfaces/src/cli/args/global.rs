use std::path::PathBuf;

use clap::Args;

/// Flags of every command. They win over the environment, which wins over the configuration file. The variables are read with the
/// rest of the configuration, so that one place knows where a value came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalFlags {
    /// Configuration file, TOML or YAML [env: ACTIVELOG_CONFIG] [default: activelog.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Folder of the embedded database [env: ACTIVELOG_DATA_DIR] [default: ./activelog-data]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,

    /// Address of the HTTP API [env: ACTIVELOG_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub listen: Option<String>,

    /// Database, sqlite:PATH or postgres://… [env: ACTIVELOG_DATABASE_URL] [default: a file in the data folder]
    ///
    /// Other users of the machine can read flags: give a URL with a password by the variable or the file.
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<String>,

    /// Broker that carries events [env: ACTIVELOG_BROKER_URL] [default: database:]
    #[arg(long, global = true, value_name = "URL")]
    pub broker_url: Option<String>,
}
