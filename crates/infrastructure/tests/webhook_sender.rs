//! Requests to webhooks, to receivers on this machine.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::{net::SocketAddr, time::Duration};

use activelog_application::webhook::ports::{SendError, WebhookRequest, WebhookSender};
use activelog_domain::webhook::{Reach, SigningSecret, WebhookUrl};
use activelog_infrastructure::webhook::{HttpWebhookSender, WebhookSenderOptions};
use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, timeout},
};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &str = r#"{"type":"activity.created"}"#;

/// What a receiver answers.
#[derive(Clone)]
enum Answer {
    Text(String),
    /// Its head, and then its body for ever, as fast as it is taken.
    Endless,
    /// This text, and then nothing.
    Stall(&'static str),
    /// It hangs up.
    Close,
}

fn status(line: &str) -> Answer {
    Answer::Text(format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n"))
}

struct Receiver {
    address: SocketAddr,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Receiver {
    async fn new(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (seen, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(receive(stream, answer.clone(), seen.clone()));
            }
        });
        Self { address, requests }
    }

    fn url(&self, host: &str) -> WebhookUrl {
        let text = format!("http://{host}:{}/hooks?key=s3cret", self.address.port());
        WebhookUrl::stored(&text).expect("a URL")
    }

    async fn request(&mut self) -> String {
        timeout(PATIENCE, self.requests.recv()).await.expect("in time").expect("a request")
    }
}

/// Reads requests and answers each.
async fn receive(mut stream: TcpStream, answer: Answer, seen: mpsc::UnboundedSender<String>) {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(n) => text.push_str(&String::from_utf8_lossy(&buffer[..n])),
        }
        if !text.ends_with(BODY) {
            continue;
        }
        seen.send(std::mem::take(&mut text)).ok();
        match &answer {
            Answer::Text(text) => stream.write_all(text.as_bytes()).await.unwrap_or_default(),
            Answer::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await.unwrap_or_default();
                while stream.write_all(&[b'x'; 4_096]).await.is_ok() {}
                return;
            }
            Answer::Stall(head) => {
                stream.write_all(head.as_bytes()).await.unwrap_or_default();
                std::future::pending::<()>().await;
            }
            Answer::Close => return,
        }
    }
}

fn sender(reach: Reach, limit: Duration) -> HttpWebhookSender {
    HttpWebhookSender::new(WebhookSenderOptions { timeout: limit, reach }).expect("a sender")
}

fn request(url: WebhookUrl) -> WebhookRequest {
    WebhookRequest {
        url,
        id: Uuid::from_u128(0x0192_9d5e_0000_7000_8000_0000_0000_0001),
        timestamp: Timestamp::from_second(1_773_338_400).expect("an instant"),
        secrets: vec![SigningSecret::parse(SECRET).expect("a secret")],
        body: BODY.into(),
    }
}

async fn outcome(answer: Answer) -> Result<(), SendError> {
    let receiver = Receiver::new(answer).await;
    sender(Reach::Anywhere, PATIENCE).send(request(receiver.url("127.0.0.1"))).await
}

#[tokio::test]
async fn a_request_is_signed_as_the_specification_says() {
    let mut receiver = Receiver::new(status("204 No Content")).await;
    sender(Reach::Anywhere, PATIENCE).send(request(receiver.url("127.0.0.1"))).await.expect("taken");
    let text = receiver.request().await;
    assert!(text.starts_with("POST /hooks?key=s3cret HTTP/1.1\r\n"), "{text}");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let value = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(given, _)| *given == name).unwrap_or_else(|| panic!("no {name} in {head}")).1
    };
    assert_eq!(value("webhook-id"), "01929d5e-0000-7000-8000-000000000001");
    assert_eq!(value("webhook-timestamp"), "1773338400");
    assert_eq!(value("content-type"), "application/json");
    assert!(value("user-agent").starts_with("activelog/"), "{head}");
    let expected = standardwebhooks::Webhook::new(SECRET).expect("a secret");
    let expected = expected.sign(value("webhook-id"), 1_773_338_400, body.as_bytes()).expect("a signature");
    assert_eq!((value("webhook-signature"), body), (&*expected, BODY));
}

#[tokio::test]
async fn the_status_decides() {
    for line in ["200 OK", "201 Created", "202 Accepted", "299 Whatever"] {
        assert_eq!(outcome(status(line)).await, Ok(()), "{line}");
    }
    assert_eq!(outcome(status("410 Gone")).await, Err(SendError::Gone));
    for code in [400, 401, 404, 429, 500, 503] {
        assert_eq!(outcome(status(&format!("{code} No"))).await, Err(SendError::Status(code)));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let mut target = Receiver::new(status("200 OK")).await;
    for code in [301, 302, 303, 307, 308] {
        let location = format!("http://{}/", target.address);
        let text = format!("HTTP/1.1 {code} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(outcome(Answer::Text(text)).await, Err(SendError::Redirect(code)));
    }
    assert!(target.requests.try_recv().is_err(), "a redirect was followed");
}

#[tokio::test]
async fn a_slow_receiver_is_cut_off() {
    let limit = Duration::from_millis(300);
    for head in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nslow"] {
        let mut receiver = Receiver::new(Answer::Stall(head)).await;
        let began = Instant::now();
        let outcome = sender(Reach::Anywhere, limit).send(request(receiver.url("127.0.0.1"))).await;
        assert_eq!(outcome, Err(SendError::TimedOut), "{head:?}");
        assert!(began.elapsed() < PATIENCE, "{head:?}");
        receiver.request().await;
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let done = timeout(PATIENCE, outcome(Answer::Endless)).await;
    assert_eq!(done.expect("the body is not waited for"), Ok(()));
    let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    assert!(matches!(outcome(Answer::Text(head)).await, Err(SendError::Unreachable(_))));
}

#[tokio::test]
async fn nothing_inside_is_reached_unless_configured() {
    let mut receiver = Receiver::new(status("200 OK")).await;
    let public = sender(Reach::Public, PATIENCE);
    let port = receiver.address.port();
    let hosts = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"];
    for host in hosts {
        assert_eq!(public.send(request(receiver.url(host))).await, Err(SendError::Forbidden), "{host}");
    }
    for url in ["http://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "http://[fd00:ec2::254]/"] {
        let url = WebhookUrl::stored(url).expect("a URL");
        assert_eq!(public.send(request(url)).await, Err(SendError::Forbidden));
    }
    assert!(receiver.requests.try_recv().is_err(), "port {port} was reached");
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        sender(Reach::Anywhere, PATIENCE).send(request(receiver.url(host))).await.expect("taken");
        receiver.request().await;
    }
}

#[tokio::test]
async fn reasons_name_neither_the_path_nor_a_key() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let mut urls = vec![format!("http://{nobody}/hooks?key=s3cret")];
    let closing = Receiver::new(Answer::Close).await;
    urls.push(closing.url("127.0.0.1").expose().to_owned());
    // A receiver that does not speak TLS.
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    urls.push(format!("https://{}/hooks?key=s3cret", plain.local_addr().expect("an address")));
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.expect("a connection");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap_or_default();
        // Until the other side hangs up.
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    for url in urls {
        let url = WebhookUrl::stored(&url).expect("a URL");
        match sender(Reach::Anywhere, PATIENCE).send(request(url)).await {
            Err(SendError::Unreachable(reason)) => {
                assert!(!reason.is_empty() && !reason.contains("s3cret") && !reason.contains("hooks"), "{reason}");
            }
            other => panic!("unreachable, not {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_connection_of_a_short_answer_is_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = WebhookUrl::stored(&format!("http://{}/", listener.local_addr().expect("an address"))).expect("a URL");
    let (seen, mut requests) = mpsc::unbounded_channel();
    // One connection is taken; another would wait for ever.
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let answer = Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone".into());
        receive(stream, answer, seen).await;
        listener
    });
    let sender = sender(Reach::Anywhere, PATIENCE);
    for _ in 0..3 {
        sender.send(request(url.clone())).await.expect("taken");
        requests.recv().await.expect("a request");
    }
}
