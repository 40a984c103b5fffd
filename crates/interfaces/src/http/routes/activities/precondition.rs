use activelog_application::activity::ActivityError;
use uuid::Uuid;

use crate::http::{
    extract::{ActingUser, Expected},
    failure::version_mismatch,
    problem::Problem,
    state::Http,
};

/// The version a change expects. Only a list of several tags needs to look: the one that is current is expected, so that the
/// transaction still notices a change in between.
pub(super) async fn expected_version(
    http: &Http,
    acting: ActingUser,
    id: Uuid,
    expected: Expected,
) -> Result<Option<u64>, Problem> {
    let versions = match expected {
        Expected::Any => return Ok(None),
        Expected::Version(version) => return Ok(Some(version)),
        Expected::OneOf(versions) => versions,
    };
    let found = http.read(http.queries().activity(id)).await?;
    let activity = found.ok_or_else(|| Problem::from(&ActivityError::NotFound { id }))?;
    acting.may_see(activity.user_id)?;
    if versions.contains(&activity.version) {
        Ok(Some(activity.version))
    } else {
        Err(version_mismatch(activity.version))
    }
}
