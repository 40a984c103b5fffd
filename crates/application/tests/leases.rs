//! Leases in memory against a model: a partition has one owner at a time, whoever beats, releases, leaves or falls silent.

use std::{collections::BTreeMap, time::Duration};

use activelog_application::{
    ports::{Lease, LeaseStore, OutboxStore, Partition, StorageError, StorageErrorKind},
    testing::memory_storage::MemoryStorage,
};
use proptest::{collection::vec, prelude::*};
use tokio::time::{Instant, advance};

const PARTITIONS: u16 = 5;
const TTL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
enum Step {
    Heartbeat(u8),
    /// Gives back those leases of the member's last heartbeat whose bits are set.
    Release(u8, u8),
    Leave(u8),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u8).prop_map(Step::Heartbeat),
        2 => (0..3_u8, any::<u8>()).prop_map(|(member, which)| Step::Release(member, which)),
        1 => (0..3_u8).prop_map(Step::Leave),
        // Up to, exactly, and past the end of a lease.
        4 => prop_oneof![1..60_u64, Just(100)].prop_map(Step::Wait),
    ]
}

/// Who has a partition, until when, and under which epoch. An owner whose time is over has it until another takes it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Owned {
    member: u8,
    until: Instant,
    epoch: i64,
}

#[derive(Default)]
struct Model {
    owners: BTreeMap<u16, Owned>,
    members: BTreeMap<u8, Instant>,
    /// The highest epoch of each partition that anyone was told.
    epochs: BTreeMap<u16, i64>,
    /// Every lease that was ever given, and the member it went to.
    given: Vec<(u8, Lease)>,
    last: BTreeMap<u8, Vec<Lease>>,
}

impl Model {
    /// Takes in what a heartbeat answered, and says what is wrong with it.
    fn beaten(&mut self, member: u8, members: u32, leases: &[Lease]) -> Result<(), String> {
        let now = Instant::now();
        self.members.retain(|_, until| *until > now);
        self.members.insert(member, now + TTL);
        if members as usize != self.members.len() {
            return Err(format!("{members} members, not {}", self.members.len()));
        }
        let before: Vec<u16> =
            self.owners.iter().filter(|(_, owned)| owned.member == member).map(|(p, _)| *p).collect();
        let taken = |p: &u16| self.owners.get(p).is_some_and(|owned| owned.member == member || owned.until > now);
        let free = (0..PARTITIONS).filter(|p| !taken(p)).count();
        let share = usize::from(PARTITIONS).div_ceil(self.members.len());
        let wanted = before.len().max(share.min(before.len() + free));
        if leases.len() != wanted {
            return Err(format!("{} leases, not {wanted}", leases.len()));
        }
        if let Some(lost) = before.iter().find(|p| !leases.iter().any(|lease| lease.partition.0 == **p)) {
            return Err(format!("{lost} was lost, and nobody had taken it"));
        }
        leases.iter().try_for_each(|lease| self.given(member, lease, now))
    }

    fn given(&mut self, member: u8, lease: &Lease, now: Instant) -> Result<(), String> {
        let partition = lease.partition.0;
        let highest = self.epochs.get(&partition).copied().unwrap_or(i64::MIN);
        match self.owners.get(&partition) {
            Some(owned) if owned.member == member && owned.epoch != lease.epoch => {
                return Err(format!("another epoch for {lease:?}, which was only renewed: {owned:?}"));
            }
            Some(owned) if owned.member != member && owned.until > now => {
                return Err(format!("{member} has robbed {owned:?} of {lease:?}"));
            }
            Some(owned) if owned.member == member => {}
            _ if lease.epoch <= highest => return Err(format!("the epoch of {lease:?} is not above {highest}")),
            _ => {}
        }
        self.epochs.insert(partition, lease.epoch);
        self.owners.insert(partition, Owned { member, until: now + TTL, epoch: lease.epoch });
        self.given.push((member, lease.clone()));
        Ok(())
    }

    fn released(&mut self, member: u8, leases: &[Lease]) {
        for lease in leases {
            let of_it = |owned: &Owned| owned.member == member && owned.epoch == lease.epoch;
            if self.owners.get(&lease.partition.0).is_some_and(of_it) {
                self.owners.remove(&lease.partition.0);
            }
        }
    }

    fn left(&mut self, member: u8) {
        self.members.remove(&member);
        self.owners.retain(|_, owned| owned.member != member);
    }

    /// Whether changes under a lease are to be accepted.
    fn holds(&self, member: u8, lease: &Lease) -> bool {
        let owned = self.owners.get(&lease.partition.0);
        owned.is_some_and(|owned| owned.member == member && owned.epoch == lease.epoch)
    }
}

async fn apply(storage: &MemoryStorage, model: &mut Model, step: &Step) -> Result<(), String> {
    let failed = |error: StorageError| error.to_string();
    match step {
        Step::Heartbeat(member) => {
            let beat = storage.heartbeat("s", &member.to_string(), PARTITIONS, TTL).await.map_err(failed)?;
            model.beaten(*member, beat.members, &beat.leases)?;
            model.last.insert(*member, beat.leases);
        }
        Step::Release(member, which) => {
            let last = model.last.get(member).cloned().unwrap_or_default();
            let some = last.into_iter().filter(|lease| which >> lease.partition.0 & 1 == 1).collect::<Vec<_>>();
            LeaseStore::release(storage, &member.to_string(), &some).await.map_err(failed)?;
            model.released(*member, &some);
        }
        Step::Leave(member) => {
            storage.leave("s", &member.to_string()).await.map_err(failed)?;
            model.left(*member);
        }
        Step::Wait(millis) => advance(Duration::from_millis(*millis)).await,
    }
    // Of all leases ever given, those of the present owners are good, and no other.
    for (member, lease) in &model.given {
        let accepted = match storage.complete(lease, &[]).await {
            Ok(_) => true,
            Err(error) if error.kind == StorageErrorKind::Fenced => false,
            Err(error) => return Err(error.to_string()),
        };
        if accepted != model.holds(*member, lease) {
            return Err(format!("{lease:?} of {member} is accepted: {accepted}; {:?}", model.owners));
        }
    }
    Ok(())
}

async fn run(steps: &[Step]) -> Result<(), String> {
    let (storage, mut model) = (MemoryStorage::new(), Model::default());
    for (number, step) in steps.iter().enumerate() {
        apply(&storage, &mut model, step).await.map_err(|wrong| format!("step {number}, {step:?}: {wrong}"))?;
    }
    // Whoever is left alone has everything once the others' time is over.
    advance(TTL).await;
    let beat = storage.heartbeat("s", "last", PARTITIONS, TTL).await.map_err(|error| error.to_string())?;
    let all: Vec<Partition> = (0..PARTITIONS).map(Partition).collect();
    let has: Vec<Partition> = beat.leases.iter().map(|lease| lease.partition).collect();
    if has == all { Ok(()) } else { Err(format!("alone, it has only {has:?}")) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_partition_has_one_owner_at_a_time(steps in vec(step(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        prop_assert_eq!(runtime.block_on(run(&steps)), Ok(()));
    }
}
