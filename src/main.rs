//! The activelog program.

mod bootstrap;
mod config;

use bootstrap::{Application, Lifecycle, Role, SchemaPolicy, run_roles};

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
        let flags = activelog_interfaces::cli::GlobalFlags::default();
        let loaded = config::load(&flags)?;
        let lifecycle = Lifecycle::on_signals()?;
        let application = Application::open(&loaded.config, SchemaPolicy::Migrate).await?;
        let role = match std::env::args().nth(1).as_deref() {
            Some("api") => Role::Api,
            Some("relay") => Role::Relay,
            Some("worker") => Role::Worker,
            _ => Role::Serve,
        };
        run_roles(role, &loaded.config, application, &lifecycle).await?;
        Ok(())
    })
}
