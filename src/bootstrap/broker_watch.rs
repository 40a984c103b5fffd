use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use activelog_application::ports::{Broker, BrokerHealth, BrokerReport, Finding, ProbeError, Severity};
use activelog_interfaces::http::ServerFacts;
use tokio::{sync::watch, time::Instant};
use tokio_util::task::AbortOnDropHandle;

/// How often the broker is asked how it is.
const INTERVAL: Duration = Duration::from_secs(15);

/// How often its connections are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long a broker that was away has been back before a subscription that still does not work is a trouble of its own: until then it is connecting again.
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
    reachable_since: Option<Instant>,
}

impl BrokerWatch {
    /// Begins.
    pub(super) fn start(broker: &Broker, group: &str) -> Self {
        let (tell, seen) = watch::channel(Seen::default());
        let (group, probe, publisher) = (group.to_owned(), broker.probe.clone(), broker.publisher.clone());
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
                    let reachable = publisher.health() == BrokerHealth::Up;
                    tell.send_modify(|seen| seen.note_reachable(reachable, Instant::now()));
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
    /// Whether the broker has taken events for so long that a subscription should work by now.
    pub(super) fn is_settled(&self) -> bool {
        self.reachable_since.is_some_and(|since| since.elapsed() >= RECOVERY)
    }

    fn note_reachable(&mut self, reachable: bool, now: Instant) {
        self.reachable_since = if reachable { self.reachable_since.or(Some(now)) } else { None };
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
