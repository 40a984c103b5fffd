use activelog_domain::{
    achievement::{Effort, Milestones},
    activity::ActivityType,
    user::UserId,
};
use jiff::{Timestamp, ToSpan};
use uuid::Uuid;

use super::support::{Scratch, new_id};

fn random_effort(random: &mut fastrand::Rng, days: i64) -> Effort {
    let kind = ["run", "ride", "swim"][random.usize(..3)];
    Effort {
        activity_id: Uuid::from_u128(random.u128(..)),
        activity_type: ActivityType::new(kind).expect("a type"),
        date: Timestamp::UNIX_EPOCH + (random.i64(-days..days) * 24 + random.i64(0..24)).hours(),
        distance_metres: random.bool().then(|| random.u32(..4)),
    }
}

#[tokio::test]
async fn what_sql_finds_is_what_the_domain_finds() {
    let scratch = Scratch::new().await;
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (days, count) = (random.i64(2..40), random.usize(0..150));
        let user = UserId(new_id());
        let mut efforts: Vec<Effort> = (0..count).map(|_| random_effort(&mut random, days)).collect();
        let mut unit = scratch.begin().await;
        for effort in &efforts {
            unit.achievements().put_effort(user, effort).await.expect("puts");
        }
        for _ in 0..count / 4 {
            let gone = efforts.swap_remove(random.usize(..efforts.len()));
            unit.achievements().remove_effort(user, gone.activity_id).await.expect("removes");
        }
        if let Some(moved) = efforts.first_mut() {
            moved.date += 24.hours();
            unit.achievements().put_effort(user, moved).await.expect("replaces");
        }
        let found = unit.achievements().milestones(user).await.expect("milestones");
        let expected = Milestones::of(&efforts);
        assert_eq!(found.earned(), expected.earned(), "seed {seed}");
        assert_eq!(found.longest, expected.longest, "seed {seed}");
        unit.rollback().await;
    }
}
