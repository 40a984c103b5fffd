use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use activelog_domain::webhook::Reach;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

/// Looks up names and leaves out the addresses that no request may go to. Whatever else is done with a name, connections go to these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver {
    pub(super) reach: Reach,
}

/// The receiver is where no request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("none of the addresses is allowed")]
pub(super) struct NotAllowed;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.reach;
        Box::pin(async move {
            // The port is the URL's, whatever stands here.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            allowed(found, reach).map(Vec::into_iter).map_err(io::Error::other)
        })
    }
}

/// Those addresses that a request may go to.
fn allowed(found: impl Iterator<Item = SocketAddr>, reach: Reach) -> Result<Vec<SocketAddr>, NotAllowed> {
    let allowed: Vec<SocketAddr> = found.filter(|address| reach.allows(address.ip())).collect();
    if allowed.is_empty() { Err(NotAllowed) } else { Ok(allowed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn addresses_inside_are_left_out() {
        let mixed =
            addresses(&["127.0.0.1:0", "8.8.8.8:0", "[::ffff:10.0.0.1]:0", "[2606:4700::1111]:0", "[fd00::1]:0"]);
        let public = addresses(&["8.8.8.8:0", "[2606:4700::1111]:0"]);
        assert_eq!(allowed(mixed.iter().copied(), Reach::Public), Ok(public));
        assert_eq!(allowed(mixed.iter().copied(), Reach::Anywhere), Ok(mixed.clone()));
        let inside = addresses(&["169.254.169.254:0", "[::1]:0"]);
        assert_eq!(allowed(inside.into_iter(), Reach::Public), Err(NotAllowed));
        assert_eq!(allowed(std::iter::empty(), Reach::Anywhere), Err(NotAllowed));
    }
}
