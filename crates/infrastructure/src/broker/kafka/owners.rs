use std::{collections::BTreeMap, time::Duration};

use bytes::{Buf, TryGetError};
use rdkafka::{consumer::Consumer, error::KafkaResult};
use tokio::time::Instant;

use super::session::Session;

/// How long the brokers may take to tell of a group.
const LOOK: Duration = Duration::from_secs(1);

/// How long partitions may have no owner: who gives them up has ten seconds.
const OWNERLESS: Duration = Duration::from_secs(12);

/// How much longer each member waits than the one before it.
const TURN: Duration = Duration::from_secs(6);

/// A group as the brokers see it.
pub(super) struct SeenGroup {
    /// Whether it is not being shared anew.
    is_stable: bool,
    /// The partitions of each member, by its id; `None` where what is assigned cannot be read.
    members: BTreeMap<String, Option<Vec<i32>>>,
}

impl Session<'_> {
    /// Whether the brokers list this member still. Blocks.
    pub(super) fn is_listed(&self) -> KafkaResult<bool> {
        let seen = self.seen_group()?;
        Ok(seen.is_none_or(|group| group.members.keys().any(|id| self.member.name.is_of(id))))
    }

    /// The group; `None` where the brokers do not tell. Blocks.
    fn seen_group(&self) -> KafkaResult<Option<SeenGroup>> {
        let id = self.member.settings.group_id(&self.member.group);
        let listed = self.consumer.fetch_group_list(Some(&id), LOOK)?;
        let Some(group) = listed.groups().iter().find(|group| group.name() == id && !group.state().is_empty()) else {
            return Ok(None);
        };
        let members = group.members().iter().map(|member| {
            let assigned = member.assignment().unwrap_or_default();
            (member.id().to_owned(), partitions_of(&self.topic, assigned).ok())
        });
        Ok(Some(SeenGroup { is_stable: group.state() == "Stable", members: members.collect() }))
    }

    /// Has the group share anew when partitions of the topic stay nobody's. A member that gives some up asks for another round, in which they are given to others; one that is
    /// killed before, and comes back under its name, is given what it had kept, and nobody asks.
    pub(super) fn look_for_owners(&mut self) {
        let seen = self.seen_group().unwrap_or_default();
        let turn = seen.as_ref().and_then(|group| {
            let turn = group.members.keys().position(|id| self.member.name.is_of(id))?;
            group.leaves_out(&self.member.monitor.partitions()).then_some(turn)
        });
        let Some(turn) = turn else {
            self.watch.ownerless = None;
            return;
        };
        let since = *self.watch.ownerless.get_or_insert_with(Instant::now);
        if since.elapsed() > OWNERLESS + TURN * u32::try_from(turn).unwrap_or(u32::MAX) {
            self.useless.get_or_insert_with(|| "partitions of the group are nobody's".to_owned());
        }
    }
}

impl SeenGroup {
    /// Whether one of these partitions is nobody's, as far as it is told.
    fn leaves_out(&self, partitions: &[i32]) -> bool {
        let Some(owned) = self.members.values().map(Option::as_ref).collect::<Option<Vec<_>>>() else { return false };
        self.is_stable && partitions.iter().any(|id| !owned.iter().any(|owned| owned.contains(id)))
    }
}

/// The partitions of a topic in what members of the protocol `consumer` are assigned: version, then by topic its name and partitions.
fn partitions_of(topic: &str, mut assigned: &[u8]) -> Result<Vec<i32>, TryGetError> {
    let mut partitions = Vec::new();
    if assigned.is_empty() {
        return Ok(partitions);
    }
    let _version = assigned.try_get_i16()?;
    for _ in 0..assigned.try_get_i32()? {
        let length = usize::from(assigned.try_get_u16()?);
        let missing = TryGetError { requested: length, available: assigned.len() };
        let (name, rest) = assigned.split_at_checked(length).ok_or(missing)?;
        assigned = rest;
        for _ in 0..assigned.try_get_i32()? {
            let id = assigned.try_get_i32()?;
            if name == topic.as_bytes() {
                partitions.push(id);
            }
        }
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1, one topic, two partitions, no data of the assignor.
    const ASSIGNED: &[u8] = b"\0\x01\0\0\0\x01\0\x02ab\0\0\0\x02\0\0\0\x03\0\0\0\x05\xff\xff\xff\xff";

    #[test]
    fn what_is_assigned_is_read() {
        assert_eq!(partitions_of("ab", ASSIGNED), Ok(vec![3, 5]));
        assert_eq!(partitions_of("other", ASSIGNED), Ok(vec![]));
        assert_eq!(partitions_of("ab", b""), Ok(vec![]));
        for cut in 1..ASSIGNED.len() - 4 {
            assert!(partitions_of("ab", &ASSIGNED[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn what_nobody_has_is_found() {
        let group = |is_stable, second: Option<Vec<i32>>| SeenGroup {
            is_stable,
            members: [("a".to_owned(), Some(vec![0, 1])), ("b".to_owned(), second)].into(),
        };
        assert!(!group(true, Some(vec![2])).leaves_out(&[0, 1, 2]));
        assert!(group(true, Some(vec![])).leaves_out(&[0, 1, 2]));
        assert!(!group(false, Some(vec![])).leaves_out(&[0, 1, 2]), "it is being shared anew");
        assert!(!group(true, None).leaves_out(&[0, 1, 2]), "not known");
    }
}
