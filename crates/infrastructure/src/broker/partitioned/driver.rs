use std::{future::Future, sync::Arc};

use activelog_application::ports::{SettleError, Signal, StorageError};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    backoff::Backoff,
    group_log::GroupLog,
    outage::{Outage, Outages},
    state::Shared,
};

/// What runs behind a stream, from its subscription until it is closed.
pub(super) struct Driver {
    pub(super) log: Arc<GroupLog>,
    pub(super) shared: Arc<Shared>,
    pub(super) scope: String,
    pub(super) member: String,
    /// Rings when members of the group in this process come, go or give something back.
    pub(super) members: Signal,
    outages: Arc<Outages>,
}

impl Driver {
    pub(super) fn new(log: Arc<GroupLog>, shared: Arc<Shared>, outages: Arc<Outages>) -> Self {
        let group = &shared.subscription.group;
        let scope = format!("group:{group}");
        let member = log.ids.next_id().to_string();
        let members = log.members_changed(group);
        Self { log, shared, scope, member, members, outages }
    }

    pub(super) fn group(&self) -> &str {
        &self.shared.subscription.group
    }

    pub(super) fn outage(&self, activity: &'static str) -> Outage {
        Outage::new(&self.outages, self.group(), &self.member, activity)
    }

    /// Runs until the stream is closed; then writes the last positions and leaves the group.
    pub(super) async fn run(self) -> Result<(), SettleError> {
        let work = async { tokio::join!(self.keep_membership(), self.read(), self.write_positions()) };
        let stopped = async {
            self.shared.stop.cancelled().await;
            // The subscriber may have been closed, not the stream.
            self.shared.shut();
        };
        let in_time = async {
            stopped.await;
            // Storage calls under way may finish, but not hold up closing for ever.
            tokio::time::sleep(self.log.options.close_timeout).await;
        };
        tokio::select! {
            _ = work => {}
            () = in_time => {}
        }
        self.shared.shut();
        let written = self.write_last_positions().await;
        let left = timeout(self.log.options.close_timeout, self.log.leases.leave(&self.scope, &self.member)).await;
        if !matches!(left, Ok(Ok(()))) {
            tracing::warn!(
                group = self.group(),
                member = self.member,
                "could not leave the consumer group: its partitions are free when the lease runs out"
            );
        }
        self.members.ring();
        written
    }

    /// Writes what has been acknowledged and not been written, within the time closing has.
    async fn write_last_positions(&self) -> Result<(), SettleError> {
        let deadline = Instant::now() + self.log.options.close_timeout;
        let mut backoff = Backoff::default();
        loop {
            let error = match timeout_at(deadline, self.write_progress()).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => error,
                Err(elapsed) => return Err(SettleError(Box::new(elapsed))),
            };
            let pause = backoff.next();
            if !error.is_transient() || Instant::now() + pause >= deadline {
                return Err(SettleError(Box::new(error)));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Calls the storage until it answers; `None` once the stream is closed.
    pub(super) async fn persist<T, F>(&self, outage: &mut Outage, mut call: impl FnMut() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        loop {
            if self.shared.stop.is_cancelled() {
                return None;
            }
            match call().await {
                Ok(value) => {
                    outage.worked();
                    return Some(value);
                }
                Err(error) => {
                    let pause = outage.failed(&error);
                    self.shared.stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
                }
            }
        }
    }
}
