use std::{mem::ManuallyDrop, sync::Arc, time::Duration};

use activelog_application::ports::Partition;
use activelog_domain::event::EventEnvelope;
use futures::{FutureExt, StreamExt};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    driver::Driver,
    error::{AnyError, within},
    headers,
};

/// How long a queue that goes to another member waits for its unsettled events.
const DRAIN: Duration = Duration::from_secs(10);

/// How often it is looked whether the server has forgotten a consumer or a binding.
const LOOK: Duration = Duration::from_millis(3_500);

/// The most events taken in at once.
const AT_ONCE: usize = 256;

/// One channel that consumes the queue of a partition.
struct Consuming<'a> {
    driver: &'a Driver,
    partition: Partition,
    channel: Channel,
    /// Never dropped before its channel is closed, not even where its task is: the driver would cancel it, and a consumer that is cancelled keeps what it has, while
    /// the server gives the next one what comes after.
    consumer: ManuallyDrop<Consumer>,
    wanted: watch::Receiver<Vec<Partition>>,
    /// When the channel is closed whatever is unsettled.
    drain_until: Option<Instant>,
    /// How many events had come when it was last looked at, and in how many looks in a row some waited and none came.
    looked_at: u64,
    passed_over: u32,
}

impl Driver {
    /// Consumes the queue of a partition whenever it is this member's to consume.
    pub(super) async fn keep_consuming(self: Arc<Self>, partition: Partition) {
        let mut trouble = self.trouble(&format!("consuming partition {}", partition.0));
        let mut wanted = self.wanted.subscribe();
        loop {
            if !wanted.borrow().contains(&partition) {
                // What did not work is no longer asked of this member.
                trouble.worked();
            }
            let waiting = wanted.wait_for(|wanted| wanted.contains(&partition));
            if !matches!(self.stopping.run_until_cancelled(waiting).await, Some(Ok(_))) {
                return;
            }
            let consumed = self.consume(partition, &mut || trouble.worked()).await;
            if let Err(error) = consumed {
                let pause = trouble.failed(&error);
                if !self.pause(pause).await {
                    return;
                }
            }
        }
    }

    /// A channel on which the queue of a partition can be consumed.
    async fn prepare(&self, partition: Partition, window: u16) -> Result<Channel, AnyError> {
        let channel = self.link.channel().await?;
        // Each time, as it may have been deleted.
        self.topology.declare_exchanges(&channel).await?;
        self.topology.declare_queue(&channel, &self.group, partition).await?;
        within(self.link.options.timeout, "set the window", channel.basic_qos(window, BasicQosOptions::default()))
            .await?;
        Ok(channel)
    }

    /// Begins to consume. Not to be given up half-way: the server would go on giving events to a consumer that nobody hears.
    async fn begin(&self, partition: Partition, channel: &Channel) -> Result<ManuallyDrop<Consumer>, AnyError> {
        let (queue, options) = (self.topology.queue(&self.group, partition), BasicConsumeOptions::default());
        let tag = format!("{}-{}", self.member, partition.0).into();
        let consumer = channel.basic_consume(queue, tag, options, FieldTable::default());
        match within(self.link.options.timeout, "consume", consumer).await {
            Ok(consumer) => Ok(ManuallyDrop::new(consumer)),
            Err(error) => {
                self.close(channel).await;
                Err(error.into())
            }
        }
    }

    /// Closes a channel, with which everything unacknowledged goes back.
    async fn close(&self, channel: &Channel) {
        let closing = channel.close(200, "OK".into());
        if let Err(error) = within(self.link.options.timeout, "close", closing).await {
            tracing::debug!(%error, "a channel was not closed in order");
        }
    }

    /// Consumes until the partition is another member's, the driver stops, or something breaks.
    async fn consume(&self, partition: Partition, worked: &mut (dyn FnMut() + Send)) -> Result<(), AnyError> {
        let window = self.shared.window(partition, self.link.options.window);
        let prepared = self.stopping.run_until_cancelled(self.prepare(partition, window)).await;
        let Some(channel) = prepared.transpose()? else { return Ok(()) };
        let consumer = self.begin(partition, &channel).await?;
        self.shared.open(partition, window);
        let (wanted, drain_until) = (self.wanted.subscribe(), None);
        let mut consuming =
            Consuming { driver: self, partition, channel, consumer, wanted, drain_until, looked_at: 0, passed_over: 0 };
        let ended = consuming.run(worked).await;
        // First: what the server gives to another member must not go out here any more.
        let ours = self.wanted.borrow().contains(&partition);
        self.shared.close(partition, !ours);
        consuming.close().await;
        ended
    }
}

impl Consuming<'_> {
    /// `worked` is called once events come, or none wait.
    async fn run(&mut self, worked: &mut (dyn FnMut() + Send)) -> Result<(), AnyError> {
        let driver = self.driver;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.reset();
        self.wanted.mark_changed();
        loop {
            let flush_at = driver.shared.with(self.partition, |open| open.acks_due_at()).flatten();
            let flush_at = flush_at.into_iter().chain(self.drain_until).min();
            tokio::select! {
                next = self.consumer.next() => {
                    let first = next.ok_or("the server has ended the consumer: its queue was deleted")??;
                    self.accept(first)?;
                    worked();
                }
                () = driver.shared.settled(self.partition) => {}
                () = sleep_until(flush_at.unwrap_or_else(Instant::now)), if flush_at.is_some() => {}
                changed = self.wanted.changed() => changed?,
                () = driver.stopping.cancelled(), if self.drain_until.is_none() => driver.shared.shut(),
                _ = look.tick() => {
                    self.look().await?;
                    if self.passed_over == 0 {
                        worked();
                    }
                }
            }
            self.begin_draining();
            let drained = self.is_drained();
            self.acknowledge(drained).await?;
            if drained {
                return Ok(());
            }
        }
    }

    /// Takes in an event, and those behind it that have come already.
    fn accept(&mut self, first: Delivery) -> Result<(), AnyError> {
        let mut received = vec![self.open(first)];
        let mut ended = None;
        while received.len() < AT_ONCE {
            match self.consumer.next().now_or_never() {
                Some(Some(Ok(delivery))) => received.push(self.open(delivery)),
                Some(Some(Err(error))) => {
                    ended = Some(error.into());
                    break;
                }
                Some(None) => {
                    ended = Some("the server has ended the consumer: its queue was deleted".into());
                    break;
                }
                None => break,
            }
        }
        self.driver.shared.accept(self.partition, received);
        ended.map_or(Ok(()), Err)
    }

    fn open(&self, mut delivery: Delivery) -> (u64, Option<EventEnvelope>, bool) {
        let event = match headers::open(&mut delivery) {
            Ok(event) => Some(event),
            Err(error) => {
                let (group, key) = (&self.driver.group, delivery.routing_key.as_str());
                tracing::error!(group, key, %error, "a message is no event that anybody here can read; it is left out");
                None
            }
        };
        (delivery.delivery_tag, event, delivery.redelivered)
    }

    /// Lets nothing more go out when the partition is another member's, the window is too small, or the driver stops.
    fn begin_draining(&mut self) {
        let driver = self.driver;
        if self.drain_until.is_some() {
            return;
        }
        let elsewhere = !self.wanted.borrow_and_update().contains(&self.partition);
        if elsewhere || driver.stopping.is_cancelled() || driver.shared.unclog(self.partition) {
            self.drain_until = Some(Instant::now() + DRAIN);
            driver.shared.with(self.partition, |open| open.draining = true);
        }
    }

    fn is_drained(&self) -> bool {
        let idle = || self.driver.shared.with(self.partition, |open| open.is_idle()).unwrap_or(true);
        self.drain_until.is_some_and(|until| idle() || Instant::now() >= until)
    }

    async fn acknowledge(&self, whole: bool) -> Result<(), AnyError> {
        let acks = self.driver.shared.take_acks(self.partition, whole);
        if acks.is_empty() {
            return Ok(());
        }
        for ack in acks {
            let sending = self.channel.basic_ack(ack.tag, BasicAckOptions { multiple: ack.multiple });
            within(self.driver.link.options.timeout, "acknowledge", sending).await?;
        }
        self.driver.shared.told(self.partition);
        Ok(())
    }

    /// Whether the server still knows of this consumer, and gives it what there is.
    async fn look(&mut self) -> Result<(), AnyError> {
        // Whoever publishes makes an exchange again that was deleted, but not what was bound to it.
        self.driver.topology.bind_queue(&self.channel, &self.driver.group, self.partition).await?;
        let queue = self.driver.topology.queue(&self.driver.group, self.partition);
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asking = self.channel.queue_declare(queue, passive, FieldTable::default());
        let found = within(self.driver.link.options.timeout, "look at a queue", asking).await?;
        if found.consumer_count() == 0 {
            return Err("the server has forgotten the consumer".into());
        }
        let (received, room) =
            self.driver.shared.with(self.partition, |o| (o.received(), o.has_room())).unwrap_or((0, false));
        // Who cannot hear of others consumes every queue, and is given nothing where another does.
        let deaf = self.driver.members.is_blocked();
        let passed_over = !deaf && found.message_count() > 0 && room && received == self.looked_at;
        self.looked_at = received;
        self.passed_over = if passed_over { self.passed_over + 1 } else { 0 };
        // Less would be another member that has not let go of the queue yet.
        if self.passed_over >= 3 {
            return Err("events wait in the queue and none is delivered".into());
        }
        Ok(())
    }

    /// Gives everything unacknowledged back.
    async fn close(self) {
        self.driver.close(&self.channel).await;
        drop(ManuallyDrop::into_inner(self.consumer));
    }
}
