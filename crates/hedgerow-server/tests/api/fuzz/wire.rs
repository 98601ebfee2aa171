//! HTTP/1.1 byte by byte: what a decent client would refuse to send is sent too, over connections that are kept.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than the server may take for any request.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request, as it goes over the wire.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) target: Vec<u8>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Option<Vec<u8>>,
    /// Its length is a lie or its end unclear: it gets a connection of its own, and the end of the stream ends it.
    pub(super) lonely: bool,
}

/// An answer, as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    /// All of it, headers included.
    pub(super) raw: String,
    pub(super) took: Duration,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl Request {
    /// Sets a header, and takes away what it had under that name.
    pub(super) fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.headers.retain(|(own, _)| own != name);
        self.headers.push((name.to_owned(), value.into()));
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        if !self.headers.iter().any(|(name, _)| name == "host") {
            bytes.extend_from_slice(b"host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            bytes.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        if let Some(body) = &self.body
            && !self.headers.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding")
        {
            bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// One connection after the other to one server.
pub(super) struct Client {
    address: SocketAddr,
    kept: Option<Connection>,
}

impl Client {
    pub(super) fn to(address: SocketAddr) -> Self {
        Self { address, kept: None }
    }

    /// Sends, and reads the answer; `None` when the server ended the connection without one.
    pub(super) async fn ask(&mut self, request: &Request) -> Option<Answer> {
        let start = Instant::now();
        let asked = async {
            if let Some(mut connection) = self.kept.take_if(|_| !request.lonely)
                && let Some(answer) = connection.ask(request).await
            {
                return Some((answer, connection));
            }
            // A connection that was kept may have ended since.
            let mut connection = Connection::open(self.address).await;
            let answer = connection.ask(request).await?;
            Some((answer, connection))
        };
        let (mut answer, connection) = tokio::time::timeout(PATIENCE, asked)
            .await
            .unwrap_or_else(|_| panic!("no answer within {PATIENCE:?}: {request:?}"))?;
        answer.took = start.elapsed();
        let ends = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.kept = (!ends && !request.lonely).then_some(connection);
        Some(answer)
    }
}

struct Connection {
    stream: TcpStream,
    /// Read and not yet used.
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a connection");
        Self { stream, buffer: Vec::new() }
    }

    async fn ask(&mut self, request: &Request) -> Option<Answer> {
        // The server may answer and turn away before it has read everything.
        let _ = self.stream.write_all(&request.bytes()).await;
        if request.lonely {
            let _ = self.stream.shutdown().await;
        }
        loop {
            let head = self.head().await?;
            let mut lines = head.split("\r\n");
            let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            if (100..200).contains(&status) {
                continue;
            }
            let mut answer = Answer { status, headers, raw: head.clone(), ..Answer::default() };
            let has_none = request.method == "HEAD" || matches!(status, 204 | 304);
            if !has_none {
                let body = self.body(&answer).await?;
                answer.body = String::from_utf8_lossy(&body).into_owned();
                answer.raw.push_str(&answer.body);
            }
            return Some(answer);
        }
    }

    async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 4);
                return Some(head);
            }
            self.more().await?;
        }
    }

    async fn body(&mut self, answer: &Answer) -> Option<Vec<u8>> {
        if answer.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            let mut body = Vec::new();
            loop {
                let line = self.line().await?;
                let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
                body.extend_from_slice(&self.exactly(size).await?);
                let _ = self.line().await?;
                if size == 0 {
                    return Some(body);
                }
            }
        }
        let length = answer.header("content-length").and_then(|value| value.parse().ok());
        self.exactly(length.unwrap_or(0)).await
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Some(line);
            }
            self.more().await?;
        }
    }

    async fn exactly(&mut self, size: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < size {
            self.more().await?;
        }
        Some(self.buffer.drain(..size).collect())
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.ok()?;
        (read > 0).then_some(())
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
