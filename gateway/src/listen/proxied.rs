//! Who a connection comes from when a proxy brought it: its PROXY header is read off the stream, and not a byte more.
//!
//! Place on the walk: *socket*, before TLS and HTTP. From a peer that is no proxy of ours nothing is read at all.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::proxy_header::{self, HEADER_MAX, Source, Step};
use super::{ListenSettings, count_refusal};

/// The peer as everything after this sees it; `None`: the connection is to be closed, and is counted.
pub(super) async fn peer_of(tcp: &mut TcpStream, settings: &ListenSettings) -> Option<SocketAddr> {
    let peer = tcp.peer_addr().ok()?;
    if !settings.proxies.include(peer.ip()) {
        return Some(peer);
    }
    match timeout(settings.head_limit, read(tcp)).await {
        Ok(Ok(Source::Peer(source))) => Some(source),
        Ok(Ok(Source::Connection)) => Some(peer),
        Ok(Err(reason)) => {
            count_refusal(reason);
            tracing::info!(proxy = %peer, reason, "a proxy's connection without a good PROXY header is closed");
            None
        }
        Err(_elapsed) => {
            count_refusal("proxy_timeout");
            tracing::debug!(proxy = %peer, "PROXY header has no end");
            None
        }
    }
}

/// The header's source, or why there is none.
async fn read(tcp: &mut TcpStream) -> Result<Source, &'static str> {
    let mut buffer = [0; HEADER_MAX];
    let mut filled = 0;
    loop {
        let step = proxy_header::read(buffer.get(..filled).unwrap_or_default());
        let wanted = match step.map_err(|fault| fault.label())? {
            Step::Done(source) => return Ok(source),
            Step::More(wanted) => wanted,
        };
        // The parser never asks beyond the largest header.
        let Some(room) = buffer.get_mut(filled..filled + wanted) else { return Err("proxy_length") };
        match tcp.read(room).await {
            Ok(0) | Err(_) => return Err("proxy_cut"),
            Ok(length) => filled += length,
        }
    }
}
