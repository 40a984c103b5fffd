use std::{sync::Arc, time::Duration};

use activelog_application::ports::{PARTITIONS, Partition};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{link::Link, shared::Shared, topology::Topology, trouble::Trouble, view::View};

/// What runs behind the streams of a group in this process, from the first to the last of them.
pub(super) struct Driver {
    pub(super) link: Link,
    /// For what members tell each other.
    pub(super) members: Link,
    pub(super) topology: Topology,
    pub(super) shared: Arc<Shared>,
    pub(super) group: String,
    /// Names this member among those of its group.
    pub(super) member: String,
    pub(super) view: View,
    /// The partitions that are this member's to consume.
    pub(super) wanted: watch::Sender<Vec<Partition>>,
    pub(super) stopping: CancellationToken,
}

impl Driver {
    pub(super) fn new(
        link: Link,
        members: Link,
        topology: Topology,
        shared: Arc<Shared>,
        group: String,
        member: String,
        stopping: CancellationToken,
    ) -> Self {
        let (view, wanted) = (View::new(member.clone()), watch::Sender::default());
        Self { link, members, topology, shared, group, member, view, wanted, stopping }
    }

    /// Runs until it is stopped; then gives everything back and leaves the group.
    pub(super) async fn run(self: Arc<Self>) {
        let mut consumers = JoinSet::new();
        for partition in (0..PARTITIONS).map(Partition) {
            consumers.spawn(Arc::clone(&self).keep_consuming(partition));
        }
        self.keep_membership().await;
        while consumers.join_next().await.is_some() {}
    }

    pub(super) fn stop(&self) {
        self.stopping.cancel();
    }

    pub(super) fn trouble(&self, what: &str) -> Trouble {
        self.link.troubles.of(format!("group {}: {what}", self.group))
    }

    /// Waits before another try. Whether there is to be one.
    pub(super) async fn pause(&self, pause: Duration) -> bool {
        self.stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_some()
    }
}
