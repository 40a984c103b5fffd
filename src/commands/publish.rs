use activelog_interfaces::cli::{
    PublishArgs,
    publish::{self, PublishEnd, PublishTools, Source},
};

use super::{CommandError, ExitStatus};

/// Publishes the events of a file or standard input, and tells what became of each.
///
/// # Errors
/// When the input cannot be read or the outcomes not be written.
pub async fn publish_events(args: &PublishArgs, tools: PublishTools<'_>) -> Result<ExitStatus, CommandError> {
    let source = Source::of(args.file.as_deref());
    let end = publish::publish(source, args.keep_going, args.output, tools).await.map_err(CommandError::failed)?;
    Ok(match end {
        PublishEnd::Done => ExitStatus::Done,
        PublishEnd::SomeRefused => ExitStatus::SomeRefused,
        PublishEnd::NothingSent => ExitStatus::Usage,
        PublishEnd::Failed => ExitStatus::Failed,
        PublishEnd::Interrupted => ExitStatus::Interrupted,
    })
}
