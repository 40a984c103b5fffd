use clap::{Args, ValueEnum};

/// Arguments of `config`.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// Form of the output; `toml` is a complete configuration file, but for passwords
    #[arg(long, short, value_enum, default_value_t)]
    pub output: ConfigOutput,
}

/// The form in which the configuration is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ConfigOutput {
    /// A table for people
    #[default]
    Text,
    /// An object by key with value and source
    Json,
    /// A configuration file with the source of each value as a comment
    Toml,
}
