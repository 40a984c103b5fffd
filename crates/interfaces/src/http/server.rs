use std::{io, net::SocketAddr, pin::pin, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long a client may take to send the head of a request, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait after a failed accept that will not have gone away at once, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// How many connections are open at once; more wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 10_000;

/// How long requests under way may take after a stop. Their transactions go on to their end in any case.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves `router` on `listener` until `stop` is cancelled; then takes no new connection, closes idle ones, and returns once the
/// requests under way have been answered, or after five seconds: a client that does not finish its request must not keep the
/// process. Dropping the future closes the connections at once; transactions under way still go on to their end.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, address)) => {
                connections.spawn(connection(stream, address, router.clone(), stop.clone()));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections at the moment");
                tokio::select! {
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    () = stop.cancelled() => break,
                }
            }
        }
    }
    drop(listener);
    tracing::debug!(connections = connections.len(), "waiting for requests under way");
    let answered = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, answered).await.is_err() {
        tracing::warn!(connections = connections.len(), "closing connections whose requests do not end");
        connections.shutdown().await;
    }
    Ok(())
}

/// One connection, to its end.
async fn connection(stream: TcpStream, address: SocketAddr, router: Router, stop: CancellationToken) {
    // Answers are small and written whole: waiting for more to send would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(address));
        router.clone().oneshot(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = &mut serving => result,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, %address, "connection ended early");
    }
}

/// Whether an accept failed for a reason of the connection that was to be accepted: the next may succeed at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
