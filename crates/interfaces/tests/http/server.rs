//! The server on a real socket.

use std::{sync::Arc, time::Duration};

use activelog_application::testing::Gate;
use activelog_interfaces::http::serve;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{Api, run},
    storage::Trouble,
};

const DEADLINE: Duration = Duration::from_secs(20);

struct Server {
    api: Api,
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn start() -> Server {
    let api = Api::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, api.router.clone(), stop.clone()));
    Server { api, address, stop, task }
}

fn post(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /activities HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Reads until the other side closes.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("in time").expect("readable");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_stop_finishes_requests_under_way_and_closes_idle_connections() {
    let server = start().await;
    let gate = Arc::new(Gate::new());
    server.api.store.next(Trouble::Wait(gate.clone()));
    let mut idle = TcpStream::connect(server.address).await.expect("connected");
    idle.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut first = [0];
    idle.read_exact(&mut first).await.expect("an answer");
    let mut busy = TcpStream::connect(server.address).await.expect("connected");
    busy.write_all(post(&run().to_string()).as_bytes()).await.expect("sent");
    gate.arrived(1).await;
    server.stop.cancel();
    assert!(read_all(&mut idle).await.contains("200 OK"));
    assert!(!server.task.is_finished());
    gate.open();
    assert!(read_all(&mut busy).await.starts_with("HTTP/1.1 201"));
    timeout(DEADLINE, server.task).await.expect("in time").expect("no panic").expect("no error");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_large_body_gets_its_answer_though_the_client_sends_it_all() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.expect("connected");
    let body = format!("{{\"title\":\"{}\"}}", "x".repeat(10 * 1024 * 1024));
    stream.write_all(post(&body).as_bytes()).await.expect("taken to the end");
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer:.200}");
    assert!(answer.contains("body-too-large"));
}

#[tokio::test]
async fn what_is_not_http_breaks_nothing() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.expect("connected");
    stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").await.expect("sent");
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 400"));
    let mut next = TcpStream::connect(server.address).await.expect("connected");
    next.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("sent");
    assert!(read_all(&mut next).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn clients_that_leave_in_the_middle_leave_no_half_of_anything() {
    let server = start().await;
    let whole = post(&run().to_string());
    for cut in (0..60).map(|n| whole.len() * n / 60) {
        let mut stream = TcpStream::connect(server.address).await.expect("connected");
        stream.write_all(whole.get(..cut).unwrap_or_default().as_bytes()).await.expect("sent");
    }
    let mut stream = TcpStream::connect(server.address).await.expect("connected");
    let last = whole.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    stream.write_all(last.as_bytes()).await.expect("sent");
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 201"));
    assert_eq!(server.api.store.inner.outbox().len(), 1);
}
