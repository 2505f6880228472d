//! The byte stream of one station, plain or TLS, under one type.
//!
//! Place on the walk: *socket*. The HTTP layer, the WebSocket layer and the actor need not know which it is. It carries the lease
//! of its connection: the listener counts it until the stream is dropped, wherever it has gone by then.
//!
//! Never here: buffering, a protocol, a time-out.

use crate::handshake::ListenerKind;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::server::TlsStream;

/// A station's byte stream.
#[derive(Debug)]
pub struct Stream {
    transport: Transport,
    /// Dropped with the stream: the listener's count goes down.
    _lease: oneshot::Sender<()>,
}

#[derive(Debug)]
pub(super) enum Transport {
    Plain(TcpStream),
    /// Boxed: the TLS session is more than a kilobyte and a plain connection should not pay for it.
    Tls(Box<TlsStream<TcpStream>>),
}

// === impl Stream ===

impl Stream {
    pub(super) fn new(transport: Transport, lease: oneshot::Sender<()>) -> Self {
        Self { transport, _lease: lease }
    }

    /// Which listener it came to.
    #[must_use]
    pub const fn listener(&self) -> ListenerKind {
        match self.transport {
            Transport::Plain(_) => ListenerKind::Ws,
            Transport::Tls(_) => ListenerKind::Wss,
        }
    }

    /// The client certificate as DER, chain verified by TLS; `None` without TLS or without one.
    #[must_use]
    pub fn certificate_der(&self) -> Option<&[u8]> {
        match &self.transport {
            Transport::Plain(_) => None,
            Transport::Tls(stream) => stream.get_ref().1.peer_certificates()?.first().map(AsRef::as_ref),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
