//! For `tests/faults.rs` alone: a handler that writes what it does into a ledger in its transaction, and misbehaves when an activity's title asks for it.
//!
//! It is compiled with the feature `fault-injection` and takes part only when these variables say so:
//!
//! | variable | meaning |
//! |---|---|
//! | `ACTIVELOG_FAULT_LEDGER` | set to anything: the table is made and the handler `fault-ledger` registered |
//! | `ACTIVELOG_FAULT_FOLDER` | where attempts of `fault:flaky` are counted, beyond the end of the process |
//! | `ACTIVELOG_FAULT_HOLD` | set to anything: a dead letter holds its aggregate; otherwise the aggregate goes on |

mod ledger_handler;
mod misbehaviour;

use std::{path::PathBuf, sync::Arc};

use activelog_application::{activity::ports::Repositories, delivery::Router};
use activelog_domain::activity::{ActivityCreated, ActivityDeleted, ActivityUpdated};

use ledger_handler::LedgerHandler;

/// Whether this process takes part.
pub fn is_on() -> bool {
    std::env::var_os("ACTIVELOG_FAULT_LEDGER").is_some()
}

/// Registers the handler, if this process takes part.
#[must_use]
pub fn register(router: Router<dyn Repositories>) -> Router<dyn Repositories> {
    if !is_on() {
        return router;
    }
    let folder = std::env::var_os("ACTIVELOG_FAULT_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let hold = std::env::var_os("ACTIVELOG_FAULT_HOLD").is_some();
    let handler = Arc::new(LedgerHandler { folder, hold });
    router.on::<ActivityCreated>(handler.clone()).on::<ActivityUpdated>(handler.clone()).on::<ActivityDeleted>(handler)
}
