use std::{
    io::{self, Write},
    time::Duration,
};

use activelog_application::ports::{
    Broker, DeliveryStream, EventPattern, SettleError, StartFrom, SubscribeError, Subscription,
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::format::write_event;
use crate::cli::{TailArgs, TailFrom};

/// How often it is looked whether there is more.
const LOOK: Duration = Duration::from_millis(250);

/// How long nothing has to come from a broker that cannot tell whether there is more.
const QUIET: Duration = Duration::from_secs(3);

/// How many events are read ahead.
const AHEAD: usize = 256;

/// Printing the events of a broker failed.
#[derive(Debug, thiserror::Error)]
pub enum BrokerTailError {
    /// The broker has nothing from before.
    #[error("the {0} broker keeps nothing for a group that is not there yet: use --from now, with --follow")]
    NoBeginning(&'static str),
    /// The broker cannot be read.
    #[error("cannot read from the broker: {0}")]
    Subscribe(#[from] SubscribeError),
    /// The group that read is still there.
    #[error("cannot remove the group {group}: {source}; remove it with: activelog groups remove {group}")]
    Left {
        /// The group.
        group: String,
        /// Why.
        source: SubscribeError,
    },
    /// What was read cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Prints events of a broker as `args` say, reading as `group`, which is removed at the end, however that comes about. Ends as `tail` does.
///
/// # Errors
/// When the broker cannot be read, its group not be removed, or the output not be written.
pub async fn tail_broker(
    broker: &Broker,
    group: &str,
    args: &TailArgs,
    output: &mut (dyn Write + Send),
    cancel: &CancellationToken,
) -> Result<(), BrokerTailError> {
    let from = args.from.unwrap_or(if args.follow { TailFrom::Now } else { TailFrom::Beginning });
    let start = match from {
        TailFrom::Now => StartFrom::Latest,
        TailFrom::Beginning if !broker.capabilities.replay => return Err(BrokerTailError::NoBeginning(broker.name)),
        TailFrom::Beginning => StartFrom::Earliest,
    };
    let types = if args.types.is_empty() { vec![EventPattern::all()] } else { args.types.clone() };
    let subscription = Subscription::new(group, types).prefetch(AHEAD).start(start);
    let mut stream = broker.subscriber.subscribe(&subscription).await?;
    let printed = cancel.run_until_cancelled(print(broker, group, stream.as_mut(), args, output)).await;
    // Whether the last acknowledgements arrive does not matter to a group that goes.
    let _closed: Result<(), SettleError> = stream.close().await;
    let removed = broker.subscriber.remove_group(group).await;
    match printed {
        Some(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    removed.map_err(|source| BrokerTailError::Left { group: group.to_owned(), source })
}

async fn print(
    broker: &Broker,
    group: &str,
    stream: &mut dyn DeliveryStream,
    args: &TailArgs,
    output: &mut (dyn Write + Send),
) -> io::Result<()> {
    let (mut left, mut quiet_since) = (args.limit.unwrap_or(u64::MAX), Instant::now());
    loop {
        match timeout(LOOK, stream.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(batch)) => {
                for delivery in batch {
                    write_event(output, args.output, &delivery.event)?;
                    // Without it the broker hands out no more; whether one is lost does not matter here.
                    let _acknowledged: Result<(), SettleError> = delivery.ack().await;
                    left -= 1;
                    if left == 0 {
                        return output.flush();
                    }
                }
                output.flush()?;
                quiet_since = Instant::now();
            }
            Err(_) if args.follow => {}
            Err(_) => match broker.subscriber.lag(group).await {
                Ok(Some(lag)) if lag.events > 0 => {}
                Ok(Some(_)) => return Ok(()),
                _ if quiet_since.elapsed() >= QUIET => return Ok(()),
                _ => {}
            },
        }
    }
}
