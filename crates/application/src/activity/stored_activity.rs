//! An activity that is about to be changed: found, locked, and checked against who asks and what they have seen.

use activelog_domain::{activity::Activity, user::Actor};
use uuid::Uuid;

use super::{ActivityError, ports::Repositories};
use crate::{
    orchestrator::{Step, UseCaseError},
    ports::{StorageError, StorageErrorKind},
};

/// The activity, locked until the transaction ends. Refuses when it is not there, not the actor's, or not at the `expected` version.
pub(super) async fn load(
    step: &mut Step<'_, dyn Repositories>,
    actor: Actor,
    id: Uuid,
    expected: Option<u64>,
) -> Result<Activity, UseCaseError> {
    let Some(activity) = step.tx().activities().find_for_update(id).await? else {
        return Err(UseCaseError::rejected(ActivityError::NotFound { id }));
    };
    if !actor.may_act_for(activity.user_id) {
        return Err(UseCaseError::rejected(ActivityError::Forbidden { user: activity.user_id }));
    }
    match expected.filter(|version| *version != activity.version) {
        Some(expected) => {
            let current = activity.version;
            Err(UseCaseError::rejected(ActivityError::VersionMismatch { id, expected, current }))
        }
        None => Ok(activity),
    }
}

/// The store says that the activity is no longer at the version it was loaded with: the lock did not keep others away, so the
/// transaction runs again and decides on what is there then.
pub(super) fn changed_meanwhile(operation: &'static str) -> UseCaseError {
    StorageError::new(StorageErrorKind::Contention, operation, "the activity changed while it was locked").into()
}
