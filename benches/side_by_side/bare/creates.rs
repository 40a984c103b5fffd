use jiff::Timestamp;
use uuid::Uuid;

use super::{
    creation::{Creation, NewActivity},
    server::Pool,
};

/// Creates so many activities of one user, one commit each, on one connection.
pub(super) async fn run(url: &str, count: u32) -> anyhow::Result<()> {
    let pool = Pool::connect(url, 1).await?;
    let new = NewActivity {
        user_id: Uuid::from_u128(0x0192_9d5e_0000_7000_8000_0000_0000_0001),
        activity_type: "run".into(),
        title: "Morning run".into(),
        description: None,
        duration_minutes: 30,
        distance_km: Some(5.012),
        calories_burned: Some(371),
        notes: None,
        tags: Vec::new(),
        activity_date: Timestamp::UNIX_EPOCH,
    };
    for _ in 0..count {
        pool.create(&Creation::new(new.clone())?).await?;
    }
    Ok(())
}
