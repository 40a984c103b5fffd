use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use activelog_application::ports::{BrokerProbe, BrokerReport, Finding, PARTITIONS, Partition, ProbeError};
use async_trait::async_trait;
use lapin::{
    BasicProperties, Channel, Connection,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
    uri::AMQPUri,
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    error::RequestError,
    greeting::{Greeting, greeting},
    link::Link,
    topology::Topology,
};
use crate::broker::probing::{AnyError, bounded, too_old};

/// The oldest RabbitMQ whose quorum queues have what is used here.
const LEAST: (u32, u32) = (3, 10);

/// A key that no queue is bound with: names of groups have no colon.
const NOBODY: &str = ":probe";

/// How long a server that takes messages may take to say so.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(2);

/// How long a server may take to make a queue, before those that are missing are taken for gone.
const MAKING: Duration = Duration::from_secs(1);

/// How often those that are being made are looked at again. Whoever asks does not wait for ever.
const LOOKS: usize = 3;

/// The queues of a group.
#[derive(Default)]
struct Queues {
    /// It has none, as far as was looked.
    none: bool,
    missing: usize,
    /// Those that this program would not have made, and what the server says of it.
    wrong: Vec<(ShortString, RequestError)>,
}

/// Asks RabbitMQ.
pub(super) struct RabbitMqProbe {
    uri: AMQPUri,
    /// The connection that events are published on: only one that publishes is told of alarms.
    link: Link,
    topology: Topology,
    /// What the server has said, and on which connection: it is another server only behind another one.
    greeted: Mutex<(Weak<Connection>, Option<Greeting>)>,
}

#[async_trait]
impl BrokerProbe for RabbitMqProbe {
    /// AMQP lists no queues: those of `group` are looked at.
    async fn probe(&self, group: &str) -> Result<BrokerReport, ProbeError> {
        bounded(self.ask(group)).await
    }
}

impl RabbitMqProbe {
    pub(super) fn new(uri: AMQPUri, link: Link, topology: Topology) -> Self {
        Self { uri, link, topology, greeted: Mutex::default() }
    }

    async fn ask(&self, group: &str) -> Result<BrokerReport, AnyError> {
        let Greeting { product, version } = self.greeting().await?;
        let mut findings: Vec<Finding> =
            version.as_deref().and_then(|version| too_old("RabbitMQ", version, LEAST)).into_iter().collect();
        if self.link.is_blocked() {
            findings.push(blocked());
            let round_trip = Duration::ZERO;
            return Ok(BrokerReport {
                server: product,
                version,
                round_trip,
                clock_ahead: None,
                laid_out: true,
                findings,
            });
        }
        let begun = Instant::now();
        let channel = self.link.channel().await?;
        let round_trip = begun.elapsed();
        let laid_out = self.topology.has_exchanges(&channel).await?;
        if laid_out {
            findings.extend(self.queues(group).await?);
            findings.extend(self.alarm().await?);
        }
        Ok(BrokerReport { server: product, version, round_trip, clock_ahead: None, laid_out, findings })
    }

    async fn greeting(&self) -> Result<Greeting, AnyError> {
        let connection = Arc::downgrade(&self.link.connection().await?);
        let known = {
            let greeted = self.greeted.lock().unwrap_or_else(PoisonError::into_inner);
            greeted.1.clone().filter(|_| Weak::ptr_eq(&greeted.0, &connection))
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let new = greeting(&self.uri).await?;
        *self.greeted.lock().unwrap_or_else(PoisonError::into_inner) = (connection, Some(new.clone()));
        Ok(new)
    }

    /// What is wrong with the queues of a group, if it has any.
    async fn queues(&self, group: &str) -> Result<Vec<Finding>, AnyError> {
        let mut seen = self.look(group).await?;
        // A worker that starts makes a few at a time.
        for _ in 0..LOOKS {
            if seen.missing == 0 || seen.none {
                break;
            }
            sleep(MAKING).await;
            let before = std::mem::replace(&mut seen, self.look(group).await?);
            if seen.missing >= before.missing {
                break;
            }
        }
        if seen.none {
            return Ok(vec![no_queues(group)]);
        }
        let Queues { missing, wrong, .. } = seen;
        let lacking = (missing > 0).then(|| some_queues(group, missing));
        let others = wrong.len().saturating_sub(1);
        let misshapen = wrong.first().map(|(queue, error)| misshapen(queue.as_str(), others, &error.to_string()));
        Ok(lacking.into_iter().chain(misshapen).collect())
    }

    async fn look(&self, group: &str) -> Result<Queues, AnyError> {
        let mut seen = Queues::default();
        let mut channel = self.link.channel().await?;
        for partition in (0..PARTITIONS).map(Partition) {
            if !channel.status().connected() {
                // The server closes a channel with each answer that is no yes.
                channel = self.link.channel().await?;
            }
            if !self.topology.has_queue(&channel, group, partition).await? {
                seen.missing += 1;
                // Every question for a queue that is not there is an error in the server's log.
                if seen.missing == 2 && partition.0 == 1 {
                    return Ok(Queues { none: true, ..seen });
                }
                continue;
            }
            // It is there, so this compares it with what was asked for, and makes nothing.
            match self.topology.make_queue(&channel, group, partition).await {
                Ok(_) => {}
                Err(error) if error.is_refused() => seen.wrong.push((self.topology.queue(group, partition), error)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(seen)
    }

    /// Whether the server takes messages: it tells of alarms only when one is published. This one reaches nobody.
    async fn alarm(&self) -> Result<Option<Finding>, AnyError> {
        let channel = self.link.channel().await?;
        match timeout(CONFIRMED_WITHIN, self.publish_to_nobody(&channel)).await {
            Ok(outcome) => outcome.map(|()| None),
            Err(_) if self.link.is_blocked() => Ok(Some(blocked())),
            Err(_) => {
                Err(format!("RabbitMQ has not confirmed a message within {} s", CONFIRMED_WITHIN.as_secs()).into())
            }
        }
    }

    async fn publish_to_nobody(&self, channel: &Channel) -> Result<(), AnyError> {
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let publishing = channel.basic_publish(self.topology.members(), NOBODY.into(), options, b"", properties);
        publishing.await?.await?;
        // The message that tells the server that this connection publishes is still taken. What follows it is not.
        channel.close(200, "OK".into()).await?;
        Ok(())
    }
}

fn blocked() -> Finding {
    Finding::error(
        "RabbitMQ takes nothing at the moment (connection.blocked): it has an alarm for memory or disk",
        "events wait in the outbox until the alarm is over; nothing is lost",
        "look at `rabbitmq-diagnostics alarms`: free disk or memory, or raise disk_free_limit or vm_memory_high_watermark",
    )
}

fn no_queues(group: &str) -> Finding {
    Finding::ok(format!("group {group} has no queues yet: they are made when its first worker starts"))
}

fn some_queues(group: &str, missing: usize) -> Finding {
    Finding::error(
        format!("{missing} of the {PARTITIONS} queues of group {group} are missing"),
        "what was in them is gone, and what is published meanwhile does not reach the group",
        "start a worker of the group: it makes them anew",
    )
}

fn misshapen(queue: &str, others: usize, reason: &str) -> Finding {
    let more = if others == 0 { String::new() } else { format!(", and {others} others") };
    Finding::error(
        format!("queue {queue} is not what this program makes{more}: {reason}"),
        "unless it is a quorum queue with a single active consumer, events in it can be lost or come out of order; workers cannot subscribe to it",
        format!(
            "stop the relays, take what is in it elsewhere, and delete it (`rabbitmqctl delete_queue {queue}`): a worker makes it anew"
        ),
    )
}
