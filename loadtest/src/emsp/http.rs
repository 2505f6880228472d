//! As much HTTP/1.1 as a partner needs: a server that keeps connections, a client that makes one for each call. By hand, because a hostile
//! partner must be able to cut an answer in its middle, or to say nothing at all.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The largest body, in bytes: a page of 1,000 locations is far below.
const BODY_MAX: usize = 64 << 20;
/// The largest head, in bytes.
const HEAD_MAX: u64 = 64 << 10;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Headers by their name in lower case.
pub type Headers = BTreeMap<String, String>;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// In upper case.
    pub method: String,
    /// The path, as it came.
    pub path: String,
    /// What stands behind the question mark.
    pub query: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: String,
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// HTTP's status.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: String,
}

/// How an answer is sent.
#[derive(Debug, Clone)]
pub enum Sent {
    /// Whole.
    Whole(Response),
    /// Half of the body, then the connection is closed.
    Cut(Response),
    /// Not at all: the connection stays open and silent until the caller leaves.
    Never,
}

type Stream = BufReader<TcpStream>;

// === impl Request ===

impl Request {
    /// A value of the query, decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| decode(value))
    }

    /// The parts of the path, decoded; empty ones are left out.
    #[must_use]
    pub fn segments(&self) -> Vec<String> {
        self.path.split('/').filter(|part| !part.is_empty()).map(decode).collect()
    }
}

/// Percent-decoding.
#[must_use]
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| char::from(byte?).to_digit(16);
        if byte == b'%' {
            let mut ahead = rest.clone();
            if let (Some(high), Some(low)) = (hex(ahead.next()), hex(ahead.next())) {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = ahead;
                continue;
            }
        }
        bytes.push(byte);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-encoding of a part of a path or of a query's value.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

// === server ===

/// Answers the requests of one connection until it ends.
///
/// # Errors
/// The connection broke, or what came is no HTTP.
pub async fn serve<F>(stream: TcpStream, mut answer: impl FnMut(Request) -> F + Send) -> anyhow::Result<()>
where
    F: Future<Output = Sent> + Send,
{
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await? {
        match answer(request).await {
            Sent::Whole(response) => write_response(&mut stream, &response, usize::MAX).await?,
            Sent::Cut(response) => {
                write_response(&mut stream, &response, response.body.len() / 2).await?;
                return Ok(());
            }
            Sent::Never => {
                // Silence lasts as long as the caller does.
                let mut sink = [0_u8; 1024];
                while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn read_request(stream: &mut Stream) -> anyhow::Result<Option<Request>> {
    let Some((first, headers)) = read_head(stream).await? else { return Ok(None) };
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        bail!("no request line: {first}")
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let body = if headers.contains_key("content-length") || headers.contains_key("transfer-encoding") {
        read_body(stream, &headers).await?
    } else {
        String::new()
    };
    let (method, path, query) = (method.to_ascii_uppercase(), path.to_owned(), query.to_owned());
    Ok(Some(Request { method, path, query, headers, body }))
}

async fn write_response(stream: &mut Stream, response: &Response, most: usize) -> anyhow::Result<()> {
    let mut head = format!("HTTP/1.1 {} x\r\nContent-Length: {}\r\n", response.status, response.body.len());
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let body = response.body.as_bytes();
    let body = body.get(..most).unwrap_or(body);
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await?;
    Ok(())
}

// === client ===

/// Calls an `http://` address, on a connection of its own.
///
/// # Errors
/// Nobody listens, no whole answer comes in 30 s, or it is no HTTP.
pub async fn call(method: &str, url: &str, headers: &Headers, body: &str) -> anyhow::Result<Response> {
    let answer = timeout(PATIENCE, ask(method, url, headers, body)).await;
    answer.with_context(|| format!("{method} {url}: no answer"))?.with_context(|| format!("{method} {url}"))
}

async fn ask(method: &str, url: &str, headers: &Headers, body: &str) -> anyhow::Result<Response> {
    let rest = url.strip_prefix("http://").context("only http:// is called")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let mut stream = BufReader::new(TcpStream::connect(host).await.context("connect")?);
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.context("ask")?;
    stream.write_all(body.as_bytes()).await.context("ask")?;
    let (first, headers) = read_head(&mut stream).await?.context("no answer")?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    let body = read_body(&mut stream, &headers).await?;
    Ok(Response { status, headers, body })
}

// === both ===

async fn read_head(stream: &mut Stream) -> anyhow::Result<Option<(String, Headers)>> {
    let mut head = (&mut *stream).take(HEAD_MAX);
    let mut first = String::new();
    if head.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    let mut headers = Headers::new();
    loop {
        let mut line = String::new();
        if head.read_line(&mut line).await? == 0 {
            bail!("the head does not end");
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(Some((first.trim_end().to_owned(), headers)));
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
}

async fn read_body(stream: &mut Stream, headers: &Headers) -> anyhow::Result<String> {
    let chunked = headers.get("transfer-encoding").is_some_and(|how| how.eq_ignore_ascii_case("chunked"));
    let mut body = Vec::new();
    if chunked {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).await?;
            let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
            if body.len().saturating_add(size) > BODY_MAX {
                bail!("the body is too large");
            }
            read_exactly(stream, size.saturating_add(2), &mut body).await?;
            body.truncate(body.len().saturating_sub(2));
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = headers.get("content-length") {
        let length = length.parse::<usize>().context("no length")?;
        if length > BODY_MAX {
            bail!("the body is too large");
        }
        read_exactly(stream, length, &mut body).await?;
    } else {
        stream.take(BODY_MAX as u64).read_to_end(&mut body).await?;
    }
    String::from_utf8(body).context("the body is no text")
}

async fn read_exactly(stream: &mut Stream, length: usize, into: &mut Vec<u8>) -> anyhow::Result<()> {
    let read = stream.take(length as u64).read_to_end(into).await?;
    if read < length {
        bail!("the body is cut short");
    }
    Ok(())
}
