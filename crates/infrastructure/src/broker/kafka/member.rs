use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use activelog_application::ports::SettleError;
use rdkafka::{
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
};
use tokio::sync::oneshot;

use super::{
    config::Settings,
    error::storage_error,
    member_context::MemberContext,
    member_name::MemberName,
    monitor::Monitor,
    session::{End, Session},
};
use crate::broker::partitioned::{Assignment, Outage, Outages};

/// One stream's member of a group, which works on a thread of its own until the stream is closed.
pub(super) struct Member {
    pub(super) settings: Settings,
    pub(super) monitor: Monitor,
    pub(super) assignment: Assignment,
    pub(super) outages: Arc<Outages>,
    pub(super) group: String,
    pub(super) name: MemberName,
}

impl Member {
    pub(super) fn outage(&self, activity: &'static str) -> Outage {
        Outage::new(&self.outages, &self.group, self.name.as_str(), activity)
    }

    /// Works until the stream is closed; then writes the last positions, tells what came of it, and leaves the group.
    pub(super) fn run(&self, written: oneshot::Sender<Result<(), SettleError>>) {
        let mut outage = self.outage("joining the group");
        // How often in a row nothing came although there was something: each time it is waited for longer.
        let mut stuck = 0;
        while !self.assignment.is_stopped() {
            let reason = match self.join() {
                Ok(consumer) => {
                    let mut session = Session::new(self, consumer, stuck, &mut outage);
                    match session.follow() {
                        End::Stopped => return session.leave(written),
                        End::Useless(reason) => {
                            stuck = session.stuck();
                            self.assignment.forget_all();
                            // Or the brokers took the next for this one, and gave it what it had.
                            session.depart();
                            session.abandon();
                            reason
                        }
                    }
                }
                Err(error) => storage_error("join the group", error).to_string(),
            };
            tracing::warn!(group = self.group, member = self.name.as_str(), reason, "joining the group anew");
            let pause = outage.failed(&storage_error("join the group", KafkaError::Subscription(reason)));
            self.wait(pause);
        }
        // Nobody listens any more if closing has taken too long.
        let _late = written.send(Ok(()));
    }

    fn join(&self) -> KafkaResult<BaseConsumer<MemberContext>> {
        let config = self.settings.member(&self.group, self.name.as_str());
        let consumer = BaseConsumer::from_config_and_context(&config, MemberContext::default())?;
        consumer.subscribe(&[&self.settings.topic()])?;
        Ok(consumer)
    }

    fn wait(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.assignment.is_stopped() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::park_timeout(left.min(Duration::from_millis(50)));
        }
    }
}
