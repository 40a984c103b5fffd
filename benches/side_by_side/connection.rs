use std::{io, net::SocketAddr};

use activelog_application::ports::IdGenerator;
use activelog_infrastructure::id_generator::UuidV7Generator;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

/// The body of every request, but for its user. The month that `latency` looks for is that of its date.
const BODY_BEFORE: &str = "{\"user_id\":\"";
const BODY_AFTER: &str = "\",\"type\":\"run\",\"title\":\"Morning run\",\"description\":\"Along the river and back\",\
    \"duration_minutes\":45,\"distance_km\":8.2,\"calories_burned\":512,\"activity_date\":\"2026-03-12T06:30:00Z\"}";

/// A keep-alive connection that creates activities, each of a user of its own.
pub(crate) struct Connection {
    stream: TcpStream,
    /// One request, in which only the user changes.
    request: Vec<u8>,
    user_at: usize,
    response: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let length = BODY_BEFORE.len() + 36 + BODY_AFTER.len();
        let head = format!(
            "POST /activities HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        let request = format!("{head}{BODY_BEFORE}{}{BODY_AFTER}", Uuid::nil()).into_bytes();
        Ok(Self { stream, request, user_at: head.len() + BODY_BEFORE.len(), response: Vec::with_capacity(4_096) })
    }

    /// Creates an activity. Answers its user, or what came instead of 201.
    pub(crate) async fn create(&mut self) -> io::Result<Result<Uuid, String>> {
        let user = UuidV7Generator.next_id();
        user.hyphenated().encode_lower(&mut self.request[self.user_at..self.user_at + 36]);
        self.stream.write_all(&self.request).await?;
        let status = self.read_response().await?;
        if status == *b"201" {
            return Ok(Ok(user));
        }
        Ok(Err(String::from_utf8_lossy(&self.response).into_owned()))
    }

    /// Reads one whole response; answers its status.
    async fn read_response(&mut self) -> io::Result<[u8; 3]> {
        self.response.clear();
        let head = loop {
            self.fill().await?;
            if let Some(end) = find(&self.response, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let length = content_length(&self.response[..head]).ok_or_else(|| invalid("a response without its length"))?;
        while self.response.len() < head + length {
            self.fill().await?;
        }
        let status = self.response.get(9..12).and_then(|status| status.try_into().ok());
        status.filter(|_| self.response.len() == head + length).ok_or_else(|| invalid("not one HTTP response"))
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.response).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse().ok() } else { None }
    })
}
