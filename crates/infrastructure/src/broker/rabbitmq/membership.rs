use std::time::Duration;

use activelog_application::ports::{PARTITIONS, Partition};
use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Consumer,
    message::Delivery,
    options::{BasicConsumeOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, interval, sleep_until};

use super::{
    driver::Driver,
    error::{AnyError, within},
    view::SILENCE,
};

/// How often a member says that it is there.
const BEAT: Duration = Duration::from_secs(1);

/// How long a member that has come waits for what others say before it takes its share. The server keeps order without it; it saves moves.
const SETTLE: Duration = Duration::from_millis(50);

/// What members tell each other.
#[derive(Debug, Serialize, Deserialize)]
struct Beat {
    member: String,
    /// How many events it has that are not acknowledged.
    held: u64,
    leaving: bool,
}

impl Driver {
    /// Tells other members of this one and hears of them, and with every change says what is whose.
    pub(super) async fn keep_membership(&self) {
        let mut trouble = self.trouble("hearing of other members");
        loop {
            if self.members.is_blocked() {
                self.take_everything();
                if !self.pause(BEAT).await {
                    return;
                }
                continue;
            }
            match self.take_part(&mut || trouble.worked()).await {
                Ok(()) => return,
                Err(_) if self.members.is_blocked() => {}
                Err(error) => {
                    let pause = trouble.failed(&error);
                    if !self.pause(pause).await {
                        return;
                    }
                }
            }
        }
    }

    /// Takes part until it is to stop, or something breaks.
    async fn take_part(&self, worked: &mut (dyn FnMut() + Send)) -> Result<(), AnyError> {
        let begin = async {
            let channel = self.members.channel().await?;
            let others = self.listen(&channel).await?;
            Ok::<_, AnyError>((channel, others))
        };
        let begun = self.stopping.run_until_cancelled(begin).await;
        let Some((channel, mut others)) = begun.transpose()? else { return Ok(()) };
        let mut beat = interval(BEAT);
        let mut came_back = Instant::now();
        // Set when the own first beat has come back.
        let mut settled_at: Option<Instant> = None;
        let mut settled = false;
        loop {
            let changed = tokio::select! {
                () = self.stopping.cancelled() => {
                    // Where it cannot be said, they notice.
                    return if self.members.is_blocked() { Ok(()) } else { self.say(&channel, true).await };
                }
                heard = others.next() => {
                    let heard = heard.ok_or("the server has ended the subscription to other members")??;
                    let Some(heard) = read(&heard) else { continue };
                    if heard.member == self.member {
                        came_back = Instant::now();
                        settled_at.get_or_insert(came_back + SETTLE);
                        worked();
                        false
                    } else {
                        self.hear(&channel, heard).await?
                    }
                }
                _ = beat.tick() => {
                    if self.members.is_blocked() {
                        return Err("the server takes nothing at the moment".into());
                    }
                    if came_back.elapsed() > SILENCE * 2 {
                        return Err("what this member says does not come back".into());
                    }
                    self.say(&channel, false).await?;
                    self.view.expire(Instant::now())
                }
                () = until(settled_at), if !settled => {
                    settled = true;
                    true
                }
            };
            if changed && settled {
                self.share_out();
            }
        }
    }

    async fn listen(&self, channel: &Channel) -> Result<Consumer, AnyError> {
        let limit = self.members.options.timeout;
        self.topology.declare_exchanges(channel).await?;
        // One for each time: that of a connection that broke is there until the server has noticed.
        let session = format!("{}-{:08x}", self.member, fastrand::u32(..));
        let queue = self.topology.member_queue(&self.group, &session);
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let declaring = channel.queue_declare(queue.clone(), options, FieldTable::default());
        within(limit, "declare a queue", declaring).await?;
        let (key, options) = (self.group.as_str().into(), QueueBindOptions::default());
        let binding = channel.queue_bind(queue.clone(), self.topology.members(), key, options, FieldTable::default());
        within(limit, "bind a queue", binding).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming = channel.basic_consume(queue, "members".into(), options, FieldTable::default());
        Ok(within(limit, "consume", consuming).await?)
    }

    async fn say(&self, channel: &Channel, leaving: bool) -> Result<(), AnyError> {
        let beat = Beat { member: self.member.clone(), held: self.shared.held(), leaving };
        let text = serde_json::to_vec(&beat)?;
        let key = self.group.as_str().into();
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let saying = channel.basic_publish(self.topology.members(), key, options, &text, properties);
        within(self.members.options.timeout, "tell other members", saying).await?;
        Ok(())
    }

    /// Whether the group has changed.
    async fn hear(&self, channel: &Channel, heard: Beat) -> Result<bool, AnyError> {
        if heard.leaving {
            return Ok(self.view.left(&heard.member));
        }
        let new = self.view.heard(&heard.member, heard.held, Instant::now());
        if new {
            // It does not know of this one.
            self.say(channel, false).await?;
        }
        Ok(new)
    }

    /// While the server takes nothing from anybody, members cannot hear of each other. Each consumes every queue: those in use stay where they are, as a queue has one active consumer,
    /// and those of a member that ends have the next at once. A member that only comes now could get none otherwise, and with nobody to empty the queues a disk may stay full.
    fn take_everything(&self) {
        self.want((0..PARTITIONS).map(Partition).collect());
    }

    fn share_out(&self) {
        self.want(self.view.share());
    }

    fn want(&self, share: Vec<Partition>) {
        self.wanted.send_if_modified(|wanted| {
            let changed = *wanted != share;
            if changed {
                tracing::debug!(group = self.group, member = self.member, partitions = share.len(), "a new share");
                *wanted = share;
            }
            changed
        });
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// `None` for what is no beat: nothing of this application.
fn read(delivery: &Delivery) -> Option<Beat> {
    serde_json::from_slice(&delivery.data).ok()
}
