//! The counterparts: what one would write with axum and sqlx alone, doing the same statements, each in a process of its own.

mod creates;
mod creation;
mod drain;
mod postgres;
mod server;
mod sqlite;

use tokio::runtime::Runtime;

use crate::arguments::Counterpart;

/// Runs a counterpart to its end.
pub(crate) fn run(counterpart: &Counterpart) -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    match counterpart {
        Counterpart::BareServer { listen, database_url, pool } => {
            runtime.block_on(server::run(*listen, database_url, *pool))
        }
        Counterpart::BareDrain { database_url } => runtime.block_on(drain::run(database_url)),
        Counterpart::BareCreates { database_url, count } => runtime.block_on(creates::run(database_url, *count)),
    }
}
