use activelog_application::ports::{PARTITIONS, Partition};
use sha2::{Digest, Sha256};

/// Who of these members consumes which partition: nobody has more than a fair share, and few change hands when members come or go. Every member
/// that knows of the same ones comes to the same answer, whatever order they are in.
pub(super) fn share_of(member: &str, members: &[&str]) -> Vec<Partition> {
    let most = usize::from(PARTITIONS).div_ceil(members.len().max(1));
    let mut held = vec![0_usize; members.len()];
    let mut own = Vec::new();
    for partition in (0..PARTITIONS).map(Partition) {
        let free = (0..members.len()).filter(|index| held[*index] < most);
        let Some(winner) = free.max_by_key(|index| weight(members[*index], partition)) else { continue };
        held[winner] += 1;
        if members[winner] == member {
            own.push(partition);
        }
    }
    own
}

/// The same in every build, as members may be of several.
fn weight(member: &str, partition: Partition) -> [u8; 32] {
    Sha256::new().chain_update(member).chain_update(partition.0.to_be_bytes()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_one_consumer_and_nobody_more_than_a_fair_share() {
        let names: Vec<String> = (0..20).map(|n| format!("member-{n}")).collect();
        for count in 1..=names.len() {
            let members: Vec<&str> = names[..count].iter().map(String::as_str).collect();
            let reversed: Vec<&str> = members.iter().rev().copied().collect();
            let mut all = Vec::new();
            for member in &members {
                let share = share_of(member, &members);
                assert!(share.len() <= usize::from(PARTITIONS).div_ceil(count));
                assert_eq!(share, share_of(member, &reversed));
                all.extend(share);
            }
            all.sort_unstable();
            assert_eq!(all, (0..PARTITIONS).map(Partition).collect::<Vec<_>>());
        }
    }

    #[test]
    fn who_stays_keeps_most_when_another_comes() {
        let (before, after) = (["a", "b"], ["a", "b", "c"]);
        for member in before {
            let (had, has) = (share_of(member, &before), share_of(member, &after));
            assert!(has.iter().filter(|p| had.contains(p)).count() >= 4, "{had:?} became {has:?}");
        }
    }
}
