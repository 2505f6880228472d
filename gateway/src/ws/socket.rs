//! One WebSocket on one thread: a stream of what comes in and a handle for what goes out, over any byte stream.
//!
//! Place on the walk: *socket*. Parent: the `Connection` actor, which polls [`Inbound`] and keeps [`Outbound`].
//! Polling `Inbound` does all the work: it writes what waits, reads, answers pings and close frames, and watches the
//! two clocks a socket needs (a write nobody takes, a close nobody answers). So it must be polled until it ends.
//!
//! It owns the byte stream and gives it up when it ends. Reading goes through one buffer per thread: an idle
//! socket holds no read buffer, a busy one holds what is incomplete.
//!
//! Never here: HTTP, OCPP, a decision about a message; the only close frames of its own answer a fault, a binary
//! message or the peer's close.

mod line;
#[cfg(test)]
mod tests;

use super::outgoing::QueueFull;
use super::{CloseCode, Incoming, WsFault};
use bytes::BytesMut;
use futures_util::Stream;
use line::Line;
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long a write may wait without a byte being taken before [`WsFault::Stalled`].
pub const STALL_LIMIT: Duration = Duration::from_secs(15);

/// How long the peer has for its close frame, and to hang up, after ours was sent.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// A socket whose handshake is done and that nobody polls yet. It may still move to another thread.
#[derive(Debug)]
pub struct Socket<T> {
    io: T,
    early: BytesMut,
}

/// What comes in. Ends with `None` after the close handshake, or after one `Err`; nothing comes after that.
#[derive(Debug)]
pub struct Inbound<T> {
    line: Rc<RefCell<Line<T>>>,
}

/// What goes out. Its calls only queue and never wait: the task that polls [`Inbound`] is woken to write.
#[derive(Debug)]
pub struct Outbound<T> {
    line: Rc<RefCell<Line<T>>>,
}

// === impl Socket ===

impl<T: AsyncRead + AsyncWrite + Unpin> Socket<T> {
    /// A server's socket over `io`; `early` holds the bytes that came behind the request head.
    #[must_use]
    pub fn new(io: T, early: &[u8]) -> Self {
        Self { io, early: BytesMut::from(early) }
    }

    /// The byte stream below.
    #[must_use]
    pub const fn io(&self) -> &T {
        &self.io
    }

    /// Both halves; from here on the socket stays on this thread.
    #[must_use]
    pub fn split(self) -> (Inbound<T>, Outbound<T>) {
        let line = Rc::new(RefCell::new(Line::new(self.io, self.early)));
        (Inbound { line: Rc::clone(&line) }, Outbound { line })
    }
}

// === impl Inbound ===

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for Inbound<T> {
    type Item = Result<Incoming, WsFault>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // A peer that floods us with tiny frames gets its share of the thread, not the thread.
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        let polled = self.line.borrow_mut().poll_next(cx);
        if polled.is_ready() {
            budget.made_progress();
        }
        polled
    }
}

// === impl Outbound ===

impl<T> Clone for Outbound<T> {
    fn clone(&self) -> Self {
        Self { line: Rc::clone(&self.line) }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Outbound<T> {
    /// Queues a text message.
    ///
    /// # Errors
    /// [`QueueFull`] when 64 messages or 1 MiB wait, or when the socket closes ([`Self::is_closing`]).
    pub fn send_text(&self, text: &str) -> Result<(), QueueFull> {
        self.change(|line| line.outgoing.push_text(text))
    }

    /// Queues a ping without payload; its answer comes as [`Incoming::Pong`].
    ///
    /// # Errors
    /// [`QueueFull`] as for [`Self::send_text`].
    pub fn ping(&self) -> Result<(), QueueFull> {
        self.change(|line| line.outgoing.push_ping())
    }

    /// Queues a close frame behind all that waits; `reason` is cut to 123 bytes. Closing twice does nothing.
    ///
    /// Then poll [`Inbound`] to its end, or hand the rest to [`Self::linger`]: dropped before, the frame is lost.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.change(|line| line.close(Some((code, reason))));
    }

    /// Stops reading: the kernel's buffers fill and the station waits. Writing goes on; a peer that vanishes is
    /// then noticed by a write only.
    pub fn pause_reading(&self) {
        self.change(|line| line.is_paused = true);
    }

    /// Reads again.
    pub fn resume_reading(&self) {
        self.change(|line| line.is_paused = false);
    }

    /// Since when the peer has taken nothing of what we write; `None` while nothing waits. The stream itself ends
    /// with [`WsFault::Stalled`] after [`STALL_LIMIT`]: this is for those who want to know sooner.
    #[must_use]
    pub fn stalled_since(&self) -> Option<std::time::Instant> {
        self.line.borrow().stall.as_ref().map(|stall| stall.since.into_std())
    }

    /// Bytes received since the handshake. It rises with any frame and any part of one: a sign of life.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.line.borrow().received
    }

    /// True once a close frame is queued or the socket has ended: nothing more can be sent.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.line.borrow().outgoing.is_closed()
    }

    /// Heap memory this socket holds now, without the byte stream's own, in bytes.
    #[must_use]
    pub fn retained_bytes(&self) -> usize {
        let line = self.line.borrow();
        size_of::<Line<T>>() + 2 * size_of::<usize>() + line.retained_bytes()
    }

    /// Works the socket to its end after [`Self::close`], for an actor that stops now. What still comes in is dropped.
    pub async fn linger(self) {
        let inbound = Inbound { line: self.line };
        futures_util::StreamExt::for_each(inbound, |_dropped| std::future::ready(())).await;
    }

    fn change<R>(&self, change: impl FnOnce(&mut Line<T>) -> R) -> R {
        let mut line = self.line.borrow_mut();
        let result = change(&mut line);
        let waker = line.waker.take();
        drop(line);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }
}
