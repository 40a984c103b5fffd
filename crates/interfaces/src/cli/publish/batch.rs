use std::time::Duration;

use activelog_application::ports::{EventPublisher, PublishError, PublishErrorKind};
use activelog_domain::event::EventEnvelope;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How long the broker may take nothing at all before it is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pause before what may pass is tried again.
const PAUSE: Duration = Duration::from_millis(250);

/// What became of an event.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The broker has it.
    Accepted,
    /// The broker refuses it for good.
    Refused(PublishError),
    /// The broker could not be made to take it, and was not asked to for good; it may have it all the same.
    NotSent(String),
}

/// Publishes events, and again those that the broker did not take for a reason that may pass. One outcome for each.
pub(super) async fn send(
    publisher: &dyn EventPublisher,
    events: &[EventEnvelope],
    cancel: &CancellationToken,
) -> Vec<Outcome> {
    let mut outcomes: Vec<Option<Outcome>> = events.iter().map(|_| None).collect();
    let mut left: Vec<usize> = (0..events.len()).collect();
    let mut progressed = Instant::now();
    loop {
        let batch: Vec<EventEnvelope> = left.iter().map(|index| events[*index].clone()).collect();
        let (mut again, mut trouble) = (Vec::new(), None);
        let before = left.len();
        for (index, outcome) in left.into_iter().zip(publisher.publish_batch(&batch).await) {
            match outcome {
                Ok(()) => outcomes[index] = Some(Outcome::Accepted),
                Err(error) if error.is_transient() => {
                    again.push(index);
                    if error.kind != PublishErrorKind::Skipped {
                        trouble.get_or_insert(error);
                    }
                }
                Err(error) => outcomes[index] = Some(Outcome::Refused(error)),
            }
        }
        left = again;
        if left.len() < before {
            progressed = Instant::now();
        }
        if left.is_empty() || progressed.elapsed() >= PATIENCE {
            return close(outcomes, trouble.map(|error| error.to_string()));
        }
        // Without trouble, what is left only waited for one that was refused.
        if trouble.is_some() && cancel.run_until_cancelled(sleep(PAUSE)).await.is_none() {
            return close(outcomes, Some("interrupted".to_owned()));
        }
    }
}

fn close(outcomes: Vec<Option<Outcome>>, reason: Option<String>) -> Vec<Outcome> {
    let reason = reason.unwrap_or_else(|| "an earlier event of its key was not taken".to_owned());
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Outcome::NotSent(reason.clone()))).collect()
}
