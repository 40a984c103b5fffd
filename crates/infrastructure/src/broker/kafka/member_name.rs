use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use activelog_application::ports::IdGenerator;
use uuid::Uuid;

/// What groups know this process's members by (`group.instance.id`).
pub(super) struct MemberNames {
    instance: Option<String>,
    ids: Arc<dyn IdGenerator>,
    /// By group.
    taken: Mutex<HashSet<(String, String)>>,
}

impl MemberNames {
    /// By the name of the process, or of new ids where it has none.
    pub(super) fn new(instance: Option<String>, ids: Arc<dyn IdGenerator>) -> Self {
        Self { instance, ids, taken: Mutex::default() }
    }

    /// One that no other stream of this process has in the group. By the name of the process they are numbered, so that the next run has the same.
    pub(super) fn take(self: &Arc<Self>, group: &str) -> MemberName {
        let numbered = self.instance.as_ref().and_then(|instance| {
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
    /// Whether a member that a broker lists is this one: brokers put an id behind the name.
    pub(super) fn is_of(&self, member: &str) -> bool {
        member
            .strip_prefix(&**self)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|id| Uuid::parse_str(id).is_ok())
    }
}

impl std::ops::Deref for MemberName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name.1
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

    #[test]
    fn a_named_process_has_the_same_names_again() {
        let names = || Arc::new(MemberNames::new(Some("worker-a".to_owned()), Arc::new(SequentialIds::default())));
        let (before, after) = (names(), names());
        let (first, second) = (before.take("group"), before.take("group"));
        assert_eq!((&*first, &*second), ("worker-a-1", "worker-a-2"));
        assert_eq!(&*before.take("another"), "worker-a-1");
        drop(first);
        assert_eq!(&*before.take("group"), "worker-a-1");
        assert_eq!(&*after.take("group"), "worker-a-1");
    }

    #[test]
    fn members_are_known_by_it() {
        let names = Arc::new(MemberNames::new(Some("w".to_owned()), Arc::new(SequentialIds::default())));
        let name = names.take("group");
        assert!(name.is_of("w-1-6fb90bd2-6a53-4b3a-8b0c-6d0ca2e7a2c5"));
        assert!(!name.is_of("w-1-1-6fb90bd2-6a53-4b3a-8b0c-6d0ca2e7a2c5"));
        assert!(!name.is_of("w-10-6fb90bd2-6a53-4b3a-8b0c-6d0ca2e7a2c5"));
    }

    #[test]
    fn without_a_name_every_member_is_another() {
        let names = Arc::new(MemberNames::new(None, Arc::new(SequentialIds::default())));
        assert_ne!(&*names.take("group"), &*names.take("group"));
    }
}
