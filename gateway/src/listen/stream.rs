//! The byte stream of one station, plain or TLS, under one type.
//!
//! Place on the walk: *socket*. The HTTP layer, the WebSocket layer and the actor need not know which it is. It carries the lease
//! of its connection: the listener counts it until the stream is dropped, wherever it has gone by then.
//!
//! The kernel takes little that the peer's own buffer has no room for: so a station that stops reading is seen after some kilobytes, not after
//! megabytes, and what it leaves unread goes with its stream.
//!
//! Never here: buffering, a protocol, a time-out.

use crate::handshake::ListenerKind;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::server::TlsStream;

/// Bytes the kernel takes and has not sent, for want of room at the peer or on the way; one segment may be beyond it. Without a bound it
/// takes 2.5 MiB on a fast link, and a station that reads nothing looks well until those are full.
pub const UNSENT_BYTES_MAX: u32 = 16 * 1024;

/// A station's byte stream.
#[derive(Debug)]
pub struct Stream {
    transport: Transport,
    /// The peer did not take the last of what was written.
    is_blocked: bool,
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
        Self { transport, is_blocked: false, _lease: lease }
    }

    fn tcp(&self) -> &TcpStream {
        match &self.transport {
            Transport::Plain(stream) => stream,
            Transport::Tls(stream) => stream.get_ref().0,
        }
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

/// A station's socket before anything is written: nothing waits for company, and little waits in the kernel.
///
/// # Errors
/// The socket is gone.
pub(super) fn prepare(tcp: &TcpStream) -> io::Result<()> {
    // The kernel's delay costs a resumed TLS 1.3 connection 46 ms.
    tcp.set_nodelay(true)?;
    SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)
}

/// A peer that does not read gets a reset: an orderly end would stand in line behind what it does not read, in the kernel's memory.
impl Drop for Stream {
    fn drop(&mut self) {
        if self.is_blocked
            && let Err(error) = SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO))
        {
            tracing::trace!(%error, "a socket goes in its own time");
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
        let polled = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        self.is_blocked = polled.is_pending();
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        self.is_blocked = polled.is_pending();
        polled
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.is_blocked = polled.is_pending();
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket};

    /// Our end and that of a station with a small buffer.
    async fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let connect = socket.connect(listener.local_addr().unwrap());
        let (station, accepted) = tokio::join!(connect, listener.accept());
        let (tcp, _) = accepted.unwrap();
        prepare(&tcp).unwrap();
        let (lease, _) = oneshot::channel();
        (Stream::new(Transport::Plain(tcp), lease), station.unwrap())
    }

    /// How much is taken until the next byte would wait.
    async fn fill(stream: &mut Stream) -> usize {
        let chunk = [0; 8_192];
        let mut taken = 0;
        loop {
            match futures_util::poll!(Box::pin(stream.write(&chunk))) {
                Poll::Ready(written) => taken += written.unwrap(),
                Poll::Pending => return taken,
            }
            // The station's kernel must say that it has no room.
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_station_that_does_not_read_is_seen_after_some_kilobytes() {
        let (mut stream, _station) = pair().await;
        let taken = fill(&mut stream).await;
        assert!((4_096..=256 * 1024).contains(&taken), "{taken} bytes");
    }

    #[tokio::test]
    async fn what_a_station_left_unread_goes_with_its_stream() {
        let (mut stream, mut station) = pair().await;
        fill(&mut stream).await;
        drop(stream);
        let mut read = Vec::new();
        let ended = station.read_to_end(&mut read).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn who_reads_gets_everything_and_an_orderly_end() {
        let (mut stream, mut station) = pair().await;
        let text = vec![7; 1 << 20];
        let (written, read) = tokio::join!(
            async {
                stream.write_all(&text).await.unwrap();
                stream.flush().await.unwrap();
                drop(stream);
            },
            async {
                let mut read = Vec::new();
                station.read_to_end(&mut read).await.unwrap();
                read
            }
        );
        let () = written;
        assert_eq!(read.len(), text.len());
    }
}
