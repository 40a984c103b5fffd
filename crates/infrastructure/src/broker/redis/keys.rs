use activelog_application::ports::{PARTITIONS, Partition};

/// The names of everything in Redis.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    namespace: String,
}

impl Keys {
    pub(super) fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned() }
    }

    /// The stream of a partition.
    pub(super) fn stream(&self, partition: Partition) -> String {
        format!("{}:events:{}", self.namespace, partition.0)
    }

    /// The streams of all partitions, in their order.
    pub(super) fn streams(&self) -> Vec<String> {
        (0..PARTITIONS).map(|partition| self.stream(Partition(partition))).collect()
    }

    /// The set of groups.
    pub(super) fn groups(&self) -> String {
        format!("{}:groups", self.namespace)
    }

    /// What the keys of groups begin with.
    pub(super) fn group_prefix(&self) -> String {
        format!("{}:group:", self.namespace)
    }

    /// The hash of a group's positions, by partition.
    pub(super) fn group(&self, group: &str) -> String {
        format!("{}{group}", self.group_prefix())
    }

    /// The hash of a scope's leases, by partition.
    pub(super) fn leases(&self, scope: &str) -> String {
        format!("{}:leases:{scope}", self.namespace)
    }

    /// The members of a scope, by when they are no longer thought to be alive.
    pub(super) fn members(&self, scope: &str) -> String {
        format!("{}:members:{scope}", self.namespace)
    }
}
