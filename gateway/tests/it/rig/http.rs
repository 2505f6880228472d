//! As much HTTP/1.1 as a test needs: one request a connection, the answer whole, or line by line for an event stream.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

use super::within;

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// An answer that goes on.
pub(crate) struct Stream {
    lines: Lines<BufReader<TcpStream>>,
}

// === impl Response ===

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn parse(raw: &[u8]) -> Self {
        let end = raw.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("an answer has a head");
        let head = std::str::from_utf8(&raw[..end]).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers: Vec<_> = lines.map(header).collect();
        let is_chunked =
            headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        let body = &raw[end + 4..];
        let body = if is_chunked { unchunked(body) } else { body.to_vec() };
        Self { status, headers, body: String::from_utf8(body).unwrap() }
    }
}

/// Sends one request and reads the answer to its end.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> std::io::Result<Response> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head(address, method, target, headers, body, "close").as_bytes()).await?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).await?;
    Ok(Response::parse(&raw))
}

/// Starts a GET whose answer does not end; its head is read and must be a 200.
pub(crate) async fn stream(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Stream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head(address, "GET", target, headers, None, "keep-alive").as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let status = within("the head of a stream", lines.next_line()).await.unwrap().unwrap();
    assert!(status.contains(" 200 "), "{status}");
    while within("the end of the head", lines.next_line()).await.unwrap().is_some_and(|line| !line.is_empty())
    {
    }
    Stream { lines }
}

// === impl Stream ===

impl Stream {
    /// The next line that is `data:` of an event, without that word; sizes of chunks and comments are passed over.
    pub(crate) async fn next_data(&mut self) -> String {
        within("the next event", async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the stream goes on");
                if let Some(data) = line.strip_prefix("data:") {
                    return data.trim().to_owned();
                }
            }
        })
        .await
    }
}

fn head(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
    connection: &str,
) -> String {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: {connection}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    text
}

fn unchunked(mut raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = raw.windows(2).position(|bytes| bytes == b"\r\n").expect("a chunk has a size");
        let size = usize::from_str_radix(std::str::from_utf8(&raw[..end]).unwrap().trim(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&raw[end + 2..end + 2 + size]);
        raw = &raw[end + 2 + size + 2..];
    }
}
