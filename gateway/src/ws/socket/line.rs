//! The work of one socket: what is written, read and answered at each poll, and the phases to its end.
//!
//! Place on the walk: *socket*. `Open`, then `Closing` (our close frame waits for its answer) or at once `HangingUp` (nothing
//! more is understood or wanted), then `Ended`. Each poll writes first, then does what the phase asks for.
//!
//! Never here: a handle, a waker of anyone but the one task that polls.

use super::{CLOSE_LIMIT, STALL_LIMIT};
use crate::ws::codec::Decoder;
use crate::ws::outgoing::Outgoing;
use crate::ws::{CloseCode, Incoming, WsFault};
use bytes::BytesMut;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::io::poll_read_buf;

/// How much is read and thrown away while waiting for the peer to hang up, in bytes.
pub(super) const DISCARD_BYTES_MAX: usize = 4 << 20;

/// The read buffer each thread keeps for all its sockets, in bytes.
const SCRATCH_BYTES: usize = 16 * 1024;

/// How much is written before a flush, in bytes: what TLS buffers for a slow peer, and the least that counts as
/// progress within [`STALL_LIMIT`] on a 2G modem.
const WRITE_STEP_BYTES: usize = 16 * 1024;

thread_local! {
    static SCRATCH: Cell<BytesMut> = Cell::new(BytesMut::new());
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Our close frame is queued or sent; the peer's is still to come, all else it sends is dropped.
    Closing,
    /// Both have closed, or the peer is past understanding: send the rest, hang up, wait for it to do so too.
    HangingUp {
        is_shut: bool,
        discarded: usize,
    },
    Ended,
}

#[derive(Debug)]
pub(super) struct Stall {
    pub(super) since: Instant,
    limit: Pin<Box<Sleep>>,
}

/// The state both halves of a socket share.
#[derive(Debug)]
pub(super) struct Line<T> {
    /// `None` once ended: the descriptor is given back even while a handle lives on.
    io: Option<T>,
    phase: Phase,
    decoder: Decoder,
    /// Read and not decoded yet: the start of a header, or messages the actor has not taken.
    pub(super) unread: BytesMut,
    pub(super) outgoing: Outgoing,
    /// Bytes written since the last complete flush.
    unflushed: usize,
    pub(super) is_paused: bool,
    pub(super) received: u64,
    pub(super) stall: Option<Stall>,
    close_limit: Option<Pin<Box<Sleep>>>,
    pub(super) waker: Option<Waker>,
}

// === impl Line ===

impl<T> Line<T> {
    pub(super) fn new(io: T, early: BytesMut) -> Self {
        Self {
            io: Some(io),
            phase: Phase::Open,
            decoder: Decoder::default(),
            received: early.len() as u64,
            unread: early,
            outgoing: Outgoing::default(),
            unflushed: 0,
            is_paused: false,
            stall: None,
            close_limit: None,
            waker: None,
        }
    }

    pub(super) fn close(&mut self, close: Option<(CloseCode, &str)>) {
        self.outgoing.push_close(close);
        if self.phase == Phase::Open {
            self.phase = Phase::Closing;
        }
    }

    fn hang_up(&mut self) {
        self.phase = Phase::HangingUp { is_shut: false, discarded: 0 };
        self.decoder = Decoder::default();
        self.unread = BytesMut::new();
    }

    /// Gives everything back; what can still be asked of the handles has an answer.
    fn end(&mut self) {
        self.hang_up();
        self.phase = Phase::Ended;
        self.io = None;
        self.outgoing = Outgoing::default();
        self.outgoing.push_close(None);
        self.outgoing.advance(self.outgoing.unsent().len());
        self.stall = None;
        self.close_limit = None;
    }

    pub(super) fn retained_bytes(&self) -> usize {
        let timer = size_of::<Sleep>();
        self.decoder.retained_bytes()
            + self.unread.capacity()
            + self.outgoing.retained_bytes()
            + self.stall.as_ref().map_or(0, |_stall| timer)
            + self.close_limit.as_ref().map_or(0, |_limit| timer)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Line<T> {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Incoming, WsFault>>> {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        let mut is_drained = false;
        if self.phase != Phase::Ended {
            match self.poll_drain(cx) {
                Poll::Ready(Ok(())) => is_drained = true,
                Poll::Ready(Err(fault)) => return self.fail(fault),
                Poll::Pending => {}
            }
        }
        loop {
            let phase = self.phase;
            match phase {
                Phase::Ended => return Poll::Ready(None),
                Phase::Open if self.is_paused => return Poll::Pending,
                Phase::Open => return self.poll_open(cx),
                Phase::Closing | Phase::HangingUp { .. }
                    if is_drained && self.poll_close_limit(cx).is_ready() =>
                {
                    self.end();
                }
                Phase::Closing => match ready!(self.poll_message(cx)) {
                    Ok(Incoming::Close(close)) => {
                        self.hang_up();
                        return Poll::Ready(Some(Ok(Incoming::Close(close))));
                    }
                    // The peer may send on until it sees our close frame: too late for an answer, so it is not read.
                    Ok(Incoming::Text(_) | Incoming::Binary | Incoming::Ping(_) | Incoming::Pong) => {}
                    Err(WsFault::Lost(_) | WsFault::Stalled) => self.end(),
                    Err(WsFault::Protocol(_) | WsFault::InvalidUtf8 | WsFault::TooBig(_)) => self.hang_up(),
                },
                Phase::HangingUp { is_shut, discarded } => {
                    if !is_drained {
                        return Poll::Pending;
                    }
                    if ready!(self.poll_hang_up(cx, is_shut, discarded)) {
                        self.end();
                    }
                }
            }
        }
    }

    /// The next message, with what it asks of the socket itself already queued and, if possible, sent.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Incoming, WsFault>>> {
        match ready!(self.poll_message(cx)) {
            Ok(incoming) => {
                match &incoming {
                    Incoming::Text(_) | Incoming::Pong => {}
                    Incoming::Ping(payload) => self.outgoing.push_pong(payload.clone()),
                    Incoming::Binary => self.close(Some((CloseCode::UNSUPPORTED, "binary"))),
                    Incoming::Close(close) => {
                        self.outgoing.push_close(close.as_ref().map(|close| (close.code, "")));
                        self.hang_up();
                    }
                }
                Poll::Ready(Some(Ok(incoming)))
            }
            Err(fault) => {
                let Some(code) = fault.close_code() else { return self.fail(fault) };
                self.outgoing.push_close(Some((code, "")));
                self.hang_up();
                // The actor may drop us on a fault: one attempt now, for there may be no second.
                if let Poll::Ready(Err(_)) = self.poll_drain(cx) {
                    self.end();
                }
                Poll::Ready(Some(Err(fault)))
            }
        }
    }

    /// A fault ends the stream at once; in a close handshake it is the expected end and not told.
    fn fail(&mut self, fault: WsFault) -> Poll<Option<Result<Incoming, WsFault>>> {
        let is_open = self.phase == Phase::Open;
        self.end();
        Poll::Ready(is_open.then_some(Err(fault)))
    }

    /// Decodes what is here, then reads on, until a message is whole.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, WsFault>> {
        loop {
            if !self.unread.is_empty() {
                let decoded = self.decoder.decode(&mut self.unread)?;
                if decoded.is_none() || self.unread.is_empty() {
                    // At most 13 bytes of a header are left: the buffer they came in goes back.
                    self.unread = BytesMut::from(&*self.unread);
                }
                if let Some(incoming) = decoded {
                    return Poll::Ready(Ok(incoming));
                }
            }
            if let Some(incoming) = ready!(self.poll_read(cx))? {
                return Poll::Ready(Ok(incoming));
            }
        }
    }

    /// Reads once into the thread's buffer and decodes there; copies only what is left over.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Incoming>, WsFault>> {
        let Some(io) = &mut self.io else {
            return Poll::Ready(Err(WsFault::Lost(io::ErrorKind::NotConnected)));
        };
        let mut scratch = SCRATCH.take();
        scratch.clear();
        scratch.reserve(SCRATCH_BYTES);
        scratch.extend_from_slice(&self.unread);
        let result = match poll_read_buf(Pin::new(io), cx, &mut scratch) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(WsFault::Lost(error.kind()))),
            Poll::Ready(Ok(0)) => Poll::Ready(Err(WsFault::Lost(io::ErrorKind::UnexpectedEof))),
            Poll::Ready(Ok(length)) => {
                self.received += length as u64;
                let decoded = self.decoder.decode(&mut scratch);
                self.unread = BytesMut::from(&*scratch);
                Poll::Ready(decoded)
            }
        };
        SCRATCH.set(scratch);
        result
    }

    /// Writes and flushes what waits. Pending while the peer takes nothing; a fault when that lasts.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsFault>> {
        let mut progress = false;
        match self.poll_write(cx, &mut progress) {
            Poll::Ready(Ok(())) => {
                self.stall = None;
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(WsFault::Lost(error.kind()))),
            Poll::Pending => {}
        }
        if progress {
            self.stall = None;
        }
        let stall = self
            .stall
            .get_or_insert_with(|| Stall { since: Instant::now(), limit: Box::pin(sleep(STALL_LIMIT)) });
        ready!(stall.limit.as_mut().poll(cx));
        Poll::Ready(Err(WsFault::Stalled))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, progress: &mut bool) -> Poll<io::Result<()>> {
        let Some(io) = &mut self.io else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        loop {
            while !self.outgoing.is_empty() && self.unflushed < WRITE_STEP_BYTES {
                let unsent = self.outgoing.unsent();
                let step = unsent.get(..WRITE_STEP_BYTES - self.unflushed).unwrap_or(unsent);
                let length = ready!(Pin::new(&mut *io).poll_write(cx, step))?;
                if length == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.outgoing.advance(length);
                self.unflushed += length;
                *progress = true;
            }
            if self.unflushed == 0 {
                return Poll::Ready(Ok(()));
            }
            ready!(Pin::new(&mut *io).poll_flush(cx))?;
            self.unflushed = 0;
            *progress = true;
        }
    }

    /// The limit starts with the first call, when all has been written, the close frame last.
    fn poll_close_limit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.close_limit.get_or_insert_with(|| Box::pin(sleep(CLOSE_LIMIT))).as_mut().poll(cx)
    }

    /// Sends the end of the stream, then waits for the peer's: closing over unread bytes would reset the connection
    /// and could take our close frame with it. True when it is over.
    fn poll_hang_up(&mut self, cx: &mut Context<'_>, is_shut: bool, discarded: usize) -> Poll<bool> {
        let Some(io) = &mut self.io else { return Poll::Ready(true) };
        if !is_shut {
            let shut = ready!(Pin::new(io).poll_shutdown(cx));
            self.phase = Phase::HangingUp { is_shut: true, discarded };
            return Poll::Ready(shut.is_err());
        }
        let mut scratch = SCRATCH.take();
        scratch.clear();
        scratch.reserve(SCRATCH_BYTES);
        let read = poll_read_buf(Pin::new(io), cx, &mut scratch);
        SCRATCH.set(scratch);
        match ready!(read) {
            Ok(0) | Err(_) => Poll::Ready(true),
            Ok(length) => {
                let discarded = discarded + length;
                self.phase = Phase::HangingUp { is_shut, discarded };
                Poll::Ready(discarded > DISCARD_BYTES_MAX)
            }
        }
    }
}
