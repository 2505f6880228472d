//! A small HTTP/1.1 client: one connection for each request, plain and chunked bodies, and streams that are read bit by bit.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Everything must happen within this time.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A response whose body goes on.
pub(crate) struct Stream {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// A server-sent event, or a comment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SentEvent {
    pub(crate) id: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) comment: Option<String>,
}

// === impl Reply ===

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|cause| panic!("{cause}: {self:?}"))
    }

    /// The places of the errors of a problem.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }

    /// Is it a problem of this kind?
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, kind: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["type"], format!("urn:ringmain:problem:{kind}"), "{self:?}");
        assert_eq!(body["status"], status);
        for field in ["title", "detail"] {
            assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {self:?}");
        }
    }
}

// === impl Stream ===

impl Stream {
    /// Sends a request and reads the head of its answer.
    pub(crate) async fn open(
        address: SocketAddr,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        socket.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        // The server may answer before it has read a large body.
        drop(socket.write_all(body.unwrap_or_default()).await);
        let mut stream = Self { status: 0, headers: Vec::new(), socket, buffer: Vec::new() };
        let end = loop {
            if let Some(end) = find(&stream.buffer, b"\r\n\r\n") {
                break end;
            }
            assert!(stream.read_more().await, "no head: {:?}", String::from_utf8_lossy(&stream.buffer));
        };
        let head = String::from_utf8(stream.buffer.drain(..end + 4).collect()).unwrap();
        let mut lines = head.split("\r\n");
        stream.status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let pair =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        stream.headers = lines.filter_map(pair).collect();
        stream
    }

    /// Reads the rest of a response that ends.
    pub(crate) async fn finish(mut self) -> Reply {
        let chunked = self.headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked")
        });
        let mut body = Vec::new();
        if chunked {
            while let Some(chunk) = self.chunk().await {
                body.extend_from_slice(&chunk);
            }
        } else {
            // The server may keep the connection a while when it did not read the request to its end.
            let length = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let length = length.map_or(usize::MAX, |(_, value)| value.parse().unwrap());
            while self.buffer.len() < length && self.read_more().await {}
            body.append(&mut self.buffer);
        }
        Reply { status: self.status, headers: self.headers, body: String::from_utf8(body).unwrap() }
    }

    /// The next event or comment. `None`: the stream ended.
    pub(crate) async fn event(&mut self, rest: &mut String) -> Option<SentEvent> {
        while !rest.contains("\n\n") {
            rest.push_str(std::str::from_utf8(&self.chunk().await?).unwrap());
        }
        let (block, after) =
            rest.split_once("\n\n").map(|(block, after)| (block.to_owned(), after.to_owned()))?;
        *rest = after;
        let mut event = SentEvent::default();
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", value)) => event.id = Some(value.to_owned()),
                Some(("event", value)) => event.event = Some(value.to_owned()),
                Some(("data", value)) => event.data = Some(value.to_owned()),
                Some(("" | "retry", value)) => event.comment = Some(value.to_owned()),
                _ => panic!("strange line {line:?}"),
            }
        }
        Some(event)
    }

    async fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                break end;
            }
            if !self.read_more().await {
                return None;
            }
        };
        let line = String::from_utf8(self.buffer.drain(..end + 2).collect()).unwrap();
        let size = usize::from_str_radix(line.trim(), 16).unwrap();
        while self.buffer.len() < size + 2 {
            assert!(self.read_more().await, "a chunk broke off");
        }
        let chunk = self.buffer.drain(..size + 2).take(size).collect();
        (size > 0).then_some(chunk)
    }

    async fn read_more(&mut self) -> bool {
        let mut bytes = vec![0; 16 * 1024];
        let read = timeout(DEADLINE, self.socket.read(&mut bytes)).await.expect("nothing came in time");
        let read = read.unwrap_or(0);
        self.buffer.extend_from_slice(&bytes[..read]);
        read > 0
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
