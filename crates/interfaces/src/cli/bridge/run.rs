use std::{
    io::{self, Write},
    sync::Arc,
};

use activelog_application::{
    bridge::{Bridge, BridgeEnd, BridgeError, BridgeOptions, RefusedEvents},
    ports::{EventPattern, EventPublisher, EventSubscriber, Subscription},
};
use tokio_util::sync::CancellationToken;

use super::BridgeReporter;
use crate::cli::BridgeArgs;

/// How many events are published at once.
const AT_ONCE: usize = 1_000;

/// What a bridge works with.
pub struct BridgeTools<'a> {
    /// Where events come from.
    pub source: Arc<dyn EventSubscriber>,
    /// Where they go.
    pub target: Arc<dyn EventPublisher>,
    /// Where those go that the target refuses, if that does not end it.
    pub refused: Option<Arc<dyn RefusedEvents>>,
    /// Says how far it is.
    pub reporter: &'a BridgeReporter,
    /// Ends it.
    pub cancel: &'a CancellationToken,
}

/// Copies as `args` say, and prints what was done.
///
/// # Errors
/// When it cannot go on. What was done is printed all the same.
pub async fn run(
    args: &BridgeArgs,
    tools: BridgeTools<'_>,
    output: &mut (dyn Write + Send),
) -> Result<(), BridgeError> {
    let types = if args.types.is_empty() { vec![EventPattern::all()] } else { args.types.clone() };
    let subscription = Subscription::new(&args.group, types).prefetch(AT_ONCE);
    let options = BridgeOptions { until_drained: args.until_drained, ..BridgeOptions::default() };
    let mut bridge = Bridge::new(Arc::clone(&tools.source), tools.target, subscription, options);
    if let Some(refused) = tools.refused {
        bridge = bridge.keep_refused(refused);
    }
    let progress = bridge.progress();
    let ended = tokio::select! {
        ended = bridge.run(tools.cancel) => ended,
        () = tools.reporter.report(&progress, tools.source.as_ref(), &args.group) => Ok(BridgeEnd::Stopped),
    };
    tools.reporter.finish();
    let (copied, refused) = (progress.borrow().copied, progress.borrow().refused);
    let end = match &ended {
        Ok(BridgeEnd::Drained) => "the source has nothing more",
        Ok(BridgeEnd::Stopped) => "stopped",
        Err(_) => "it cannot go on",
    };
    // Nobody may be reading: what was copied is copied.
    let _told: io::Result<()> =
        writeln!(output, "{copied} copied, {refused} refused and kept: {end}").and_then(|()| output.flush());
    ended.map(drop)
}
