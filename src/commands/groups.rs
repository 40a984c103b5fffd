use std::io::{self, Write};

use activelog_application::ports::Broker;
use activelog_interfaces::cli::{
    GroupsCommand, OutputFormat,
    groups::{self, GroupError},
};
use tokio_util::sync::CancellationToken;

use super::{CommandError, ExitStatus};

/// Does to `group` what the command says.
///
/// # Errors
/// When the broker cannot, or not now.
pub async fn manage_group(
    broker: &Broker,
    command: &GroupsCommand,
    group: &str,
    cancel: &CancellationToken,
) -> Result<ExitStatus, CommandError> {
    let mut output = io::stdout();
    let outcome = match command {
        GroupsCommand::Lag(args) => lag(broker, group, args.wait, args.output, &mut output, cancel).await,
        GroupsCommand::Begin(args) => groups::begin(broker, group, args.from).await.and_then(|()| {
            writeln!(output, "{group}: known to the {} broker", broker.name)?;
            Ok(ExitStatus::Done)
        }),
        GroupsCommand::Remove(_) => groups::remove(broker, group).await.and_then(|()| {
            writeln!(output, "{group}: forgotten by the {} broker", broker.name)?;
            Ok(ExitStatus::Done)
        }),
    };
    outcome.map_err(|error| if error.is_usage() { CommandError::usage(error) } else { CommandError::failed(error) })
}

async fn lag(
    broker: &Broker,
    group: &str,
    wait: bool,
    format: OutputFormat,
    output: &mut (dyn Write + Send),
    cancel: &CancellationToken,
) -> Result<ExitStatus, GroupError> {
    let told = groups::lag(broker, group, wait, format, output, cancel).await?;
    Ok(if told { ExitStatus::Done } else { ExitStatus::Interrupted })
}
