use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use activelog_application::ports::{Broker, BrokerHealth, BrokerReport, Finding, ProbeError, Severity};
use activelog_interfaces::http::ServerFacts;
use tokio::{sync::watch, time::Instant};
use tokio_util::task::AbortOnDropHandle;

/// How often the broker is asked how it is.
const INTERVAL: Duration = Duration::from_secs(15);

/// How often its connections are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long a broker takes events and gives none before that is a trouble of its own: until then the subscription may be connecting again, or the publisher may not
/// have noticed yet that the broker is away.
const RECOVERY: Duration = Duration::from_secs(8);

/// Asks the broker again and again how it is, in the background, so that nobody who looks has to wait for it. Ends with its last clone.
#[derive(Clone)]
pub(super) struct BrokerWatch {
    seen: watch::Receiver<Seen>,
    _asking: Arc<AbortOnDropHandle<(Infallible, Infallible)>>,
}

/// What is known of the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// What it last told of itself.
    pub(super) facts: Option<ServerFacts>,
    /// Why it did not answer when it was last asked.
    pub(super) silent: Option<String>,
    /// Since when it takes events, if it does.
    takes_since: Option<Instant>,
    /// Since when it takes events and the subscription does not work, if so.
    withholds_since: Option<Instant>,
}

impl BrokerWatch {
    /// Begins.
    pub(super) fn start(broker: &Broker, group: &str) -> Self {
        let (tell, seen) = watch::channel(Seen::default());
        let (group, probe) = (group.to_owned(), broker.probe.clone());
        let (publisher, subscriber) = (broker.publisher.clone(), broker.subscriber.clone());
        let asking = tokio::spawn(async move {
            let ask = async {
                let mut told = BTreeSet::new();
                loop {
                    let answer = probe.probe(&group).await;
                    tell.send_modify(|seen| seen.note(answer, &mut told));
                    tokio::time::sleep(INTERVAL).await;
                }
            };
            let look = async {
                loop {
                    let (takes, gives) =
                        (publisher.health() == BrokerHealth::Up, subscriber.health() == BrokerHealth::Up);
                    tell.send_modify(|seen| seen.note_ends(takes, gives, Instant::now()));
                    tokio::time::sleep(LOOK).await;
                }
            };
            tokio::join!(ask, look)
        });
        Self { seen, _asking: Arc::new(AbortOnDropHandle::new(asking)) }
    }

    /// What is known. At once.
    pub(super) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }
}

impl Seen {
    /// Whether the broker has taken events for so long that whoever wants to subscribe should have by now.
    pub(super) fn takes_events(&self) -> bool {
        self.takes_since.is_some_and(|since| since.elapsed() >= RECOVERY)
    }

    /// Whether it has taken events for as long while the subscription did not work.
    pub(super) fn withholds_events(&self) -> bool {
        self.withholds_since.is_some_and(|since| since.elapsed() >= RECOVERY)
    }

    fn note_ends(&mut self, takes: bool, gives: bool, now: Instant) {
        self.takes_since = if takes { self.takes_since.or(Some(now)) } else { None };
        self.withholds_since = if takes && !gives { self.withholds_since.or(Some(now)) } else { None };
    }

    /// Notes an answer, and logs what was not known of it.
    fn note(&mut self, answer: Result<BrokerReport, ProbeError>, told: &mut BTreeSet<String>) {
        let report = match answer {
            Ok(report) => report,
            Err(error) => {
                tracing::debug!(%error, "asking the broker how it is");
                self.silent = Some(error.to_string());
                return;
            }
        };
        self.silent = None;
        let (product, round_trip) = (report.product(), report.round_trip);
        let warnings: Vec<Finding> =
            report.findings.into_iter().filter(|finding| finding.severity > Severity::Ok).collect();
        for Finding { what, means, advice, .. } in &warnings {
            if told.insert(what.clone()) {
                tracing::warn!(broker = product, what, means, advice, "the broker is not set as it should be");
            }
        }
        told.retain(|what| warnings.iter().any(|finding| finding.what == *what));
        self.facts = Some(ServerFacts { product, round_trip, warnings });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_broker_withholds_events_only_once_it_has_done_so_for_a_while() {
        let mut seen = Seen::default();
        let mut look = async |takes, gives| {
            seen.note_ends(takes, gives, Instant::now());
            tokio::time::sleep(RECOVERY).await;
            (seen.takes_events(), seen.withholds_events())
        };
        assert_eq!(look(true, true).await, (true, false));
        assert_eq!(look(false, false).await, (false, false), "it is away");
        assert_eq!(look(true, false).await, (true, true));
        assert_eq!(look(true, true).await, (true, false), "it gives again");
    }

    #[test]
    fn what_was_known_stays_while_the_broker_is_silent() {
        let (mut seen, mut told) = (Seen::default(), BTreeSet::new());
        let report = BrokerReport {
            server: "Server".to_owned(),
            version: Some("1.2".to_owned()),
            round_trip: Duration::from_millis(1),
            clock_ahead: None,
            laid_out: true,
            findings: vec![Finding::ok("fine"), Finding::warning("loose", "it may go", "fasten it")],
        };
        seen.note(Ok(report), &mut told);
        let facts = seen.facts.clone().expect("facts");
        assert_eq!((facts.product.as_str(), facts.warnings.len(), told.len()), ("Server 1.2", 1, 1));
        seen.note(Err(ProbeError("gone".into())), &mut told);
        assert_eq!(seen.silent.as_deref(), Some("the broker does not answer: gone"));
        assert_eq!(seen.facts, Some(facts));
    }
}
