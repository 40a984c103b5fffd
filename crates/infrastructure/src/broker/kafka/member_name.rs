use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use activelog_application::ports::IdGenerator;
use uuid::Uuid;

/// What groups know this process's members by (`group.instance.id`).
pub(super) struct MemberNames {
    ids: Arc<dyn IdGenerator>,
    /// By group.
    taken: Mutex<HashSet<(String, String)>>,
}

impl MemberNames {
    /// For one process.
    pub(super) fn new(ids: Arc<dyn IdGenerator>) -> Self {
        Self { ids, taken: Mutex::default() }
    }

    /// One that no other stream of this process has in the group. By the name of the process they are numbered, so that the next run has the same; a new one where it has none.
    pub(super) fn take(self: &Arc<Self>, group: &str, instance: Option<&str>) -> MemberName {
        let numbered = instance.and_then(|instance| {
            let mut taken = self.taken();
            let mut names = (1_u32..).map(|number| (group.to_owned(), format!("{instance}-{number}")));
            names.find(|name| taken.insert(name.clone()))
        });
        let name = numbered.unwrap_or_else(|| (group.to_owned(), self.ids.next_id().to_string()));
        MemberName { name, names: Arc::clone(self) }
    }

    fn taken(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A member's name, free again when this is dropped.
pub(super) struct MemberName {
    /// After the group it is of.
    name: (String, String),
    names: Arc<MemberNames>,
}

impl MemberName {
    pub(super) fn as_str(&self) -> &str {
        &self.name.1
    }

    /// Whether a member that a broker lists is this one: brokers put an id behind the name.
    pub(super) fn is_of(&self, member: &str) -> bool {
        member
            .strip_prefix(self.as_str())
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|id| Uuid::parse_str(id).is_ok())
    }
}

impl Drop for MemberName {
    fn drop(&mut self) {
        self.names.taken().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use activelog_application::testing::SequentialIds;

    use super::*;

    fn names() -> Arc<MemberNames> {
        Arc::new(MemberNames::new(Arc::new(SequentialIds::default())))
    }

    #[test]
    fn a_named_process_has_the_same_names_again() {
        let (before, after) = (names(), names());
        let take = |names: &Arc<MemberNames>, group| names.take(group, Some("worker-a"));
        let (first, second) = (take(&before, "group"), take(&before, "group"));
        assert_eq!((first.as_str(), second.as_str()), ("worker-a-1", "worker-a-2"));
        assert_eq!(take(&before, "another").as_str(), "worker-a-1");
        drop(first);
        assert_eq!(take(&before, "group").as_str(), "worker-a-1");
        assert_eq!(take(&after, "group").as_str(), "worker-a-1");
    }

    #[test]
    fn members_are_known_by_it() {
        let name = names().take("group", Some("w"));
        assert!(name.is_of("w-1-6fb90bd2-6a53-4b3a-8b0c-6d0ca2e7a2c5"));
        assert!(!name.is_of("w-1-1-6fb90bd2-6a53-4b3a-8b0c-6d0ca2e7a2c5"));
        assert!(!name.is_of("w-10-6fb90bd2-6a53-4b3a-8b0c-6d0ca2e7a2c5"));
    }

    #[test]
    fn without_a_name_every_member_is_another() {
        let names = names();
        assert_ne!(names.take("group", None).as_str(), names.take("group", None).as_str());
    }
}
