use std::{sync::Arc, time::Duration};

use activelog_application::ports::{
    BrokerHealth, DeliveryStream, EventSubscriber, IdGenerator, Lag, SettleError, SubscribeError, Subscription,
};
use async_trait::async_trait;
use rdkafka::{
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode as Code,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    config::{SESSION, Settings},
    groups::Groups,
    member::Member,
    member_name::MemberNames,
    monitor::Monitor,
    topic,
};
use crate::broker::{
    partitioned::{Assignment, Outages},
    subscription_check::{check, check_group},
};

/// How long a stream may take to close.
const CLOSE: Duration = Duration::from_secs(9);

/// How long looking at a group may take.
const LOOK: Duration = Duration::from_secs(12);

/// About how many bytes of events a stream holds before it takes in no more.
const BYTES_MAX: usize = 16 << 20;

/// Takes events out of the topic.
pub(super) struct KafkaSubscriber {
    settings: Settings,
    monitor: Monitor,
    groups: Arc<Groups>,
    names: Arc<MemberNames>,
    outages: Arc<Outages>,
    stop: CancellationToken,
    members: TaskTracker,
}

impl KafkaSubscriber {
    pub(super) fn new(settings: Settings, monitor: Monitor, ids: Arc<dyn IdGenerator>) -> Self {
        let groups = Arc::new(Groups::new(settings.clone(), monitor.clone()));
        let names = Arc::new(MemberNames::new(ids));
        let (outages, stop, members) = (Arc::default(), CancellationToken::new(), TaskTracker::new());
        Self { settings, monitor, groups, names, outages, stop, members }
    }

    /// Has `look` look at groups, on a thread that may wait.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Groups) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T, SubscribeError> {
        let groups = Arc::clone(&self.groups);
        let looked = timeout(LOOK, tokio::task::spawn_blocking(move || look(&groups))).await;
        match looked {
            Ok(Ok(outcome)) => outcome.map_err(|error| SubscribeError::Unavailable(Box::new(error))),
            Ok(Err(_)) => Err(SubscribeError::Unavailable(Box::new(KafkaError::Canceled))),
            Err(elapsed) => Err(SubscribeError::Unavailable(Box::new(elapsed))),
        }
    }

    /// Starts the member's thread.
    fn start(&self, member: Member) -> Result<Ending, SubscribeError> {
        let ((tell, written), (leave, left)) = (oneshot::channel(), oneshot::channel());
        let work = move || {
            member.run(tell);
            // Its name is free before anybody can ask for another.
            drop(member);
            // Nobody listens any more if closing has taken too long.
            let _late = leave.send(());
        };
        let thread = std::thread::Builder::new().name("kafka-member".to_owned()).spawn(work);
        thread.map(|_| Ending { written, left }).map_err(|error| SubscribeError::Unavailable(Box::new(error)))
    }
}

/// The end of a member's thread.
struct Ending {
    /// What came of writing the last positions.
    written: oneshot::Receiver<Result<(), SettleError>>,
    /// Then it has left the group.
    left: oneshot::Receiver<()>,
}

/// Waits until a member has ended, or has had its time since the stream was closed.
async fn drive(assignment: Assignment, group: String, ending: Ending) -> Result<(), SettleError> {
    let Ending { mut written, left } = ending;
    let lost = |_| Err(SettleError("the thread of the stream has ended".into()));
    let stopped = assignment.stopped();
    let ended = tokio::select! {
        ended = &mut written => Some(ended.unwrap_or_else(lost)),
        () = stopped => None,
    };
    // The subscriber may have been closed, not the stream; or the member has come to grief.
    assignment.shut();
    let deadline = Instant::now() + CLOSE;
    let outcome = match ended {
        Some(outcome) => outcome,
        None => match timeout_at(deadline, written).await {
            Ok(ended) => ended.unwrap_or_else(lost),
            Err(elapsed) => return Err(SettleError(Box::new(elapsed))),
        },
    };
    if timeout_at(deadline, left).await.is_err() {
        tracing::warn!(
            group,
            "could not leave the consumer group in time: its partitions are free when its session runs out"
        );
    }
    outcome
}

#[async_trait]
impl EventSubscriber for KafkaSubscriber {
    async fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn DeliveryStream>, SubscribeError> {
        check(subscription)?;
        // Held until the member runs, so that `close` cannot overlook it.
        let _joining = self.members.token();
        if self.stop.is_cancelled() {
            return Err(SubscribeError::Closed);
        }
        let (group, start) = (subscription.group.clone(), subscription.start);
        self.look(move |groups| groups.begin(&group, start)).await?;
        let assignment = Assignment::new(subscription.clone(), self.stop.child_token(), BYTES_MAX);
        let ending = self.start(Member {
            settings: self.settings.clone(),
            monitor: self.monitor.clone(),
            assignment: assignment.clone(),
            outages: Arc::clone(&self.outages),
            group: subscription.group.clone(),
            name: self.names.take(&subscription.group, subscription.instance.as_deref()),
        })?;
        let driver = self.members.spawn(drive(assignment.clone(), subscription.group.clone(), ending));
        Ok(assignment.stream(driver))
    }

    fn health(&self) -> BrokerHealth {
        if self.stop.is_cancelled() {
            return BrokerHealth::Closed;
        }
        match self.monitor.health() {
            BrokerHealth::Up => self.outages.reason().map_or(BrokerHealth::Up, BrokerHealth::Degraded),
            other => other,
        }
    }

    /// Counts what the group has not been moved past yet, also events no pattern matches.
    async fn lag(&self, group: &str) -> Result<Option<Lag>, SubscribeError> {
        let group = group.to_owned();
        self.look(move |groups| groups.lag(&group)).await.map(Some)
    }

    async fn remove_group(&self, group: &str) -> Result<(), SubscribeError> {
        check_group(group)?;
        if self.stop.is_cancelled() {
            return Err(SubscribeError::Closed);
        }
        // A member that has just left or died may count for as long as its session.
        let deadline = Instant::now() + SESSION + Duration::from_secs(2);
        loop {
            self.groups.forget(group);
            match topic::delete_group(&self.settings, group).await {
                Ok(()) => return Ok(()),
                Err(KafkaError::AdminOp(Code::NonEmptyGroup)) if Instant::now() >= deadline => {
                    return Err(SubscribeError::InUse(group.to_owned()));
                }
                Err(KafkaError::AdminOp(
                    Code::NonEmptyGroup
                    | Code::NotCoordinator
                    | Code::CoordinatorNotAvailable
                    | Code::CoordinatorLoadInProgress,
                )) if Instant::now() < deadline => sleep(Duration::from_millis(200)).await,
                Err(error) => return Err(SubscribeError::Unavailable(Box::new(error))),
            }
        }
    }

    async fn close(&self) -> Result<(), SubscribeError> {
        self.stop.cancel();
        self.members.close();
        self.members.wait().await;
        self.groups.close();
        Ok(())
    }
}
