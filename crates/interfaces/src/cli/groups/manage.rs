use std::{
    io::{self, Write},
    time::Duration,
};

use activelog_application::ports::{
    Broker, EventPattern, EventSubscriber, Lag, StartFrom, SubscribeError, Subscription,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::GroupError;
use crate::cli::{OutputFormat, TailFrom};

/// How often it is looked how far a group is.
const POLL: Duration = Duration::from_millis(500);

/// Prints how far a group is behind; with `wait`, when it no longer is. `false` when it was interrupted before.
///
/// # Errors
/// When the broker cannot be asked or the output not be written.
pub async fn lag(
    broker: &Broker,
    group: &str,
    wait: bool,
    format: OutputFormat,
    output: &mut (dyn Write + Send),
    cancel: &CancellationToken,
) -> Result<bool, GroupError> {
    let Some(lag) = wait_for(broker.subscriber.as_ref(), group, wait, cancel).await? else { return Ok(false) };
    tell(group, lag, format, output)?;
    Ok(true)
}

/// How far a group is behind, now or when it no longer is. `None` when it was interrupted.
pub(super) async fn wait_for(
    subscriber: &dyn EventSubscriber,
    group: &str,
    wait: bool,
    cancel: &CancellationToken,
) -> Result<Option<Option<Lag>>, SubscribeError> {
    loop {
        let lag = subscriber.lag(group).await?;
        if !wait || lag.is_none_or(|lag| lag.events == 0) {
            return Ok(Some(lag));
        }
        if cancel.run_until_cancelled(tokio::time::sleep(POLL)).await.is_none() {
            return Ok(None);
        }
    }
}

fn tell(group: &str, lag: Option<Lag>, format: OutputFormat, output: &mut dyn Write) -> io::Result<()> {
    match (format, lag) {
        (OutputFormat::Json, lag) => {
            let events = lag.map(|lag| lag.events);
            let age = lag.and_then(|lag| lag.age).map(|age| age.as_secs());
            writeln!(output, "{}", json!({ "group": group, "events": events, "oldest_seconds": age }))
        }
        (OutputFormat::Text, Some(Lag { events, age: Some(age) })) if events > 0 => {
            writeln!(output, "{group}: {events} events behind, the oldest {} s old", age.as_secs())
        }
        (OutputFormat::Text, Some(Lag { events, .. })) => writeln!(output, "{group}: {events} events behind"),
        (OutputFormat::Text, None) => writeln!(
            output,
            "{group}: not known: nothing waits for it in the broker, but what reads as it may hold events that it has not acknowledged, or there is \
             no such group; stop what reads as it to know"
        ),
    }
}

/// Makes a group known.
///
/// # Errors
/// When the broker cannot, or not now.
pub async fn begin(broker: &Broker, group: &str, from: TailFrom) -> Result<(), GroupError> {
    let start = match from {
        TailFrom::Now => StartFrom::Latest,
        TailFrom::Beginning if !broker.capabilities.replay => return Err(GroupError::NoBeginning(broker.name)),
        TailFrom::Beginning => StartFrom::Earliest,
    };
    let subscription = Subscription::new(group, vec![EventPattern::all()]).prefetch(1).start(start);
    Ok(broker.subscriber.subscribe(&subscription).await?.close().await?)
}

/// Has the broker forget a group.
///
/// # Errors
/// When it is in use, or the broker cannot be reached.
pub async fn remove(broker: &Broker, group: &str) -> Result<(), GroupError> {
    Ok(broker.subscriber.remove_group(group).await?)
}
