use activelog_application::bridge::BridgeError;
use activelog_interfaces::cli::{
    BridgeArgs,
    bridge::{self, BridgeTools},
};

use super::{CommandError, ExitStatus};

/// Copies from one broker to another, and prints what was done.
///
/// # Errors
/// When it cannot go on.
pub async fn run_bridge(args: &BridgeArgs, tools: BridgeTools<'_>) -> Result<ExitStatus, CommandError> {
    let mended = match bridge::run(args, tools, &mut std::io::stdout()).await {
        // Ctrl-C is how copying ends.
        Ok(()) => return Ok(ExitStatus::Done),
        Err(error) => error,
    };
    let hint = match &mended {
        BridgeError::Refused { .. } => {
            "it and everything that was not copied is still at the source; make the target take it, or give --skip-refused FILE, and run it again"
        }
        _ => "what was not copied is still at the source; run it again when that is mended",
    };
    Err(CommandError::failed(mended).hint(hint))
}
