use std::{io::Write, net::SocketAddr};

use activelog_application::ports::{Broker, Durability};

use super::{Application, roles::Role};

/// Tells on standard output what runs and where to go next.
pub(super) fn announce(
    role: Role,
    application: &Application,
    broker: Option<&Result<Broker, String>>,
    address: Option<SocketAddr>,
) {
    let mut text = format!("activelog {} · {}\n", env!("CARGO_PKG_VERSION"), role.name());
    text += &format!("  storage   {}\n", application.storage.description);
    match broker {
        None => {}
        Some(Ok(broker)) => {
            text += &format!("  broker    {}\n", broker.name);
            if broker.capabilities.durability == Durability::None {
                text += "            keeps events in memory only: those not yet handled are lost with the process\n";
            }
        }
        Some(Err(away)) => text += &format!("  WARNING   {away}\n            events wait until it answers\n"),
    }
    if let Some(address) = address {
        let (base, loopback) = (format!("http://{}", reachable(address)), address.ip().is_loopback());
        text += &match role {
            Role::Serve | Role::Api => links(&base, loopback),
            Role::Worker | Role::Relay => format!("  health    {base}/health\n"),
        };
    }
    text += "Stop with Ctrl-C.\n";
    // Nobody may be reading: that is no reason not to run.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The address as one types it: "any" means this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}

fn links(base: &str, loopback: bool) -> String {
    let warning =
        if loopback { "" } else { "  WARNING   reachable from other machines, and there are no accounts yet\n" };
    format!(
        "{warning}  API page  {base}/docs
  health    {base}/health

Try it:

  curl -i -w '\\n' {base}/activities \\
    -H 'Content-Type: application/json' \\
    -d '{{\"user_id\":\"0198c0de-0000-7000-8000-000000000001\",\"type\":\"run\",\"title\":\"Morning run\",\"duration_minutes\":45,\"distance_km\":8.2,\"activity_date\":\"2026-03-12\"}}'
  curl -w '\\n' {base}/users/0198c0de-0000-7000-8000-000000000001/statistics

Totals count at once; weeks, months and achievements follow a moment later.

"
    )
}
