//! The brokers that are servers: how the program is pointed at them, with a network between them or not, and how they are hit.

use std::{path::Path, sync::Arc, time::Duration};

use nix::sys::signal::Signal;

use crate::{
    deleting::delete_all,
    support::{
        Kind, PrivateBroker,
        private_broker::Placement,
        proxy::{Proxy, Share, Trouble},
    },
};

/// What its keys, streams, queues and topics begin with.
const NAMESPACE: &str = "faults";

/// A broker of one scenario.
#[derive(Clone)]
pub(crate) struct Broker {
    kind: Kind,
    server: Arc<PrivateBroker>,
    /// `None` when the roles come to the server itself.
    network: Option<Arc<Proxy>>,
    /// What its URL says besides.
    options: String,
}

impl Broker {
    /// A new server.
    pub(crate) async fn start(kind: Kind) -> Result<Self, String> {
        Ok(Self { kind, server: server(kind, Placement::default()).await?, network: None, options: String::new() })
    }

    /// The same with its data in this folder, and these options in its URL.
    pub(crate) async fn start_in(kind: Kind, parent: &Path, options: &str) -> Result<Self, String> {
        let placement = Placement { parent: parent.to_owned(), ..Placement::default() };
        Ok(Self { kind, server: server(kind, placement).await?, network: None, options: options.to_owned() })
    }

    /// A new server behind a network.
    pub(crate) async fn behind_network(kind: Kind, seed: u64) -> Result<Self, String> {
        let proxy = Proxy::start(seed).await.map_err(|error| format!("no proxy: {error}"))?;
        let placement = Placement { advertised: Some(proxy.port()), ..Placement::default() };
        let server = server(kind, placement).await?;
        proxy.forward_to(server.port());
        Ok(Self { kind, server, network: Some(Arc::new(proxy)), options: String::new() })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// What the program is told.
    pub(crate) fn url(&self) -> String {
        let port = self.network.as_ref().map_or(self.server.port(), |network| network.port());
        self.server.url_at(port, NAMESPACE) + &self.options
    }

    /// Kills the server and waits until it is gone.
    pub(crate) async fn kill(&self) {
        self.blocking(PrivateBroker::kill).await;
    }

    /// Starts the server again and waits until it does its work.
    pub(crate) async fn restart(&self) {
        self.blocking(PrivateBroker::restart).await;
    }

    /// Has it stand still for so long, its connections open.
    pub(crate) async fn freeze(&self, time: Duration) {
        self.server.signal(Signal::SIGSTOP);
        tokio::time::sleep(time).await;
        self.server.signal(Signal::SIGCONT);
    }

    /// Deletes all that the program keeps on it.
    pub(crate) async fn delete_all(&self) -> Result<(), String> {
        let url = self.server.url(NAMESPACE);
        delete_all(self.kind, &url, NAMESPACE).await.map_err(|error| format!("{}: {error}", self.name()))
    }

    /// Whether it runs: one that has ended by itself does not.
    pub(crate) fn is_running(&self) -> bool {
        self.server.is_running()
    }

    /// Has connections suffer, if there is a network.
    pub(crate) async fn trouble(&self, trouble: Trouble, share: Share) {
        if let Some(network) = &self.network {
            network.trouble(trouble, share).await;
        }
    }

    async fn blocking(&self, what: fn(&PrivateBroker)) {
        let server = self.server.clone();
        tokio::task::spawn_blocking(move || what(&server)).await.expect("the server does as it is told");
    }
}

async fn server(kind: Kind, placement: Placement) -> Result<Arc<PrivateBroker>, String> {
    let started = tokio::task::spawn_blocking(move || PrivateBroker::start_at(kind, &placement)).await;
    let server = started.map_err(|error| format!("{} does not start: {error}", kind.name()))?;
    server.map(Arc::new).ok_or_else(|| kind.missing().to_owned())
}
