//! As much HTTP/1.1 as the oracle needs: one request a connection, the answer whole.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest answer, bytes: a page of 1,000 bill records with their breakdowns is far below.
const ANSWER_MAX: u64 = 64 << 20;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Asks once.
///
/// # Errors
/// Nobody listens, the answer does not end in time, or it is no HTTP.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    target: &str,
    token: &str,
    body: &str,
) -> anyhow::Result<Answer> {
    timeout(PATIENCE, ask(address, method, target, token, body)).await.context("the answer does not end")?
}

async fn ask(
    address: SocketAddr,
    method: &str,
    target: &str,
    token: &str,
    body: &str,
) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(address).await.context("connect")?;
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.context("ask")?;
    let mut raw = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut raw).await.context("read the answer")?;
    let raw = String::from_utf8(raw).context("read the answer as text")?;
    read(&raw).context("the answer is no HTTP")
}

fn read(raw: &str) -> Option<Answer> {
    let (head, body) = raw.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut length = None;
    let mut chunked = false;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        chunked |= name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked");
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse::<usize>().ok();
        }
    }
    let body = match length {
        _ if chunked => unchunked(body)?,
        // A body cut short must not be taken for a whole one.
        Some(length) => body.get(..length)?.to_owned(),
        None => body.to_owned(),
    };
    Some(Answer { status, body })
}

fn unchunked(mut raw: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = raw.split_once("\r\n")?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(rest.get(..size)?);
        raw = rest.get(size..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let whole = read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        assert_eq!((whole.status, whole.body.as_str()), (200, "{}"));
        let chunked =
            "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n \r\n0\r\n\r\n";
        let chunked = read(chunked).unwrap();
        assert_eq!((chunked.status, chunked.body.as_str()), (404, "{} "));
        for cut in [
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
            "SSH-2.0",
        ] {
            assert!(read(cut).is_none(), "{cut}");
        }
    }
}
