use std::{collections::BTreeSet, path::Path};

use activelog_application::ports::Finding;

use crate::config::{EffectiveValue, Loaded, Origin};

/// What `Display` of a URL shows in place of a secret.
const HIDDEN: &str = "***";

/// A configuration that is not valid does not get here: every command refuses it, and says why.
pub(super) fn configuration(loaded: &Loaded) -> Vec<Finding> {
    let given = |value: &&EffectiveValue| value.origin != Origin::Default;
    let set = loaded.origins.iter().filter(given).count();
    let sources: BTreeSet<String> = loaded.origins.iter().filter(given).map(|value| value.origin.to_string()).collect();
    let of = loaded.origins.len();
    vec![Finding::ok(match set {
        0 => format!("it is valid: all {of} settings have their defaults"),
        _ => {
            let sources = sources.into_iter().collect::<Vec<_>>().join(", ");
            format!("it is valid: {set} of {of} settings were given, by {sources}")
        }
    })]
}

/// Whether others can read a file that has passwords in it.
pub(super) fn secrets_in_file(loaded: &Loaded) -> Option<Finding> {
    let secret = |value: &EffectiveValue| match (&value.origin, &value.value) {
        (Origin::File(path), Some(shown)) if shown.to_string().contains(HIDDEN) => Some(path.clone()),
        _ => None,
    };
    let path = loaded.origins.iter().find_map(secret)?;
    let shown = path.display();
    Some(match readable_by_others(&path) {
        true => Finding::warning(
            format!("other users can read {shown}, which has a password in it"),
            "they can do with the database or the broker what activelog can",
            format!("chmod 600 {shown}"),
        ),
        false => Finding::ok(format!("{shown} has a password in it, and no other user can read it")),
    })
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o044 != 0)
}

/// It is not known who can.
#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> bool {
    false
}
