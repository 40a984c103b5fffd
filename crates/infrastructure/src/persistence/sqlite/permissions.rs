use std::path::Path;

use activelog_application::ports::Finding;

/// Who may read and write the file, if it is there, and its folder.
#[cfg(unix)]
pub(super) fn of(path: &Path, folder: &Path, there: bool) -> Vec<Finding> {
    use rustix::fs::{Access, access};
    let shown = folder.display();
    let mut findings = vec![match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Finding::ok(format!("the folder {shown} is writable")),
        Err(_) => Finding::error(
            format!("the folder {shown} is not writable for this user"),
            "SQLite makes files beside the database: nothing can be written without them",
            "make it writable for the user that runs activelog, or choose another with --data-dir",
        ),
    }];
    if there {
        let writable = access(path, Access::READ_OK | Access::WRITE_OK).is_ok();
        findings.extend((!writable).then(|| read_only(path)));
        findings.extend(open_to_others(path));
    }
    findings
}

/// What there is to be seen of files elsewhere is not known.
#[cfg(not(unix))]
pub(super) fn of(_: &Path, _: &Path, _: bool) -> Vec<Finding> {
    Vec::new()
}

#[cfg(unix)]
fn read_only(path: &Path) -> Finding {
    Finding::error(
        format!("the database {} is not readable and writable for this user", path.display()),
        "nothing can be written",
        "make it so for the user that runs activelog",
    )
}

#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        let shown = path.display();
        Finding::warning(
            format!("other users may open the database {shown} (mode {mode:03o})"),
            "they can see what it holds, or change it, unless its folder keeps them out",
            format!("chmod 600 {shown}"),
        )
    })
}
