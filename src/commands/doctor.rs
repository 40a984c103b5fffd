use std::io;

use activelog_interfaces::cli::{
    DoctorArgs,
    doctor::{Diagnosis, print},
};

use super::{CommandError, ExitStatus, written};

/// Prints what was found: failed when something has to be mended.
///
/// # Errors
/// When it cannot be written.
pub fn show_diagnosis(
    diagnosis: &Diagnosis,
    args: &DoctorArgs,
    output: &mut dyn io::Write,
) -> Result<ExitStatus, CommandError> {
    let done = written(print(diagnosis, args.output, output))?;
    Ok(if diagnosis.is_sound() { done } else { ExitStatus::Failed })
}
