//! What we send and the stream has not taken yet: encoded frames in order, bounded.
//!
//! Place on the walk: *socket*, on the way back. Texts and pings are refused when the queue is full; pongs have a
//! small reserve and after that only the newest ping is answered (RFC 6455, 5.5.3 allows it); the one close frame
//! always finds room and nothing follows it. Empty, the queue holds no heap memory.
//!
//! Never here: a stream, a clock, a decision to close.

use super::{CloseCode, codec};
use bytes::Bytes;
use std::collections::VecDeque;
use thiserror::Error;

/// Most texts and pings waiting for the stream. Source: dependencies.md section 2.
pub const QUEUED_MESSAGES_MAX: usize = 64;

/// Most bytes waiting for the stream when a text is added, that text included. Source: dependencies.md section 2.
pub const QUEUED_BYTES_MAX: usize = 1 << 20;

/// Pongs that may wait beside them before older pings go unanswered.
const PONG_RESERVE: usize = 16;

/// Beyond this the buffer grows by steps of this size instead of doubling: a full queue holds 1 MiB, not 2.
const GROWTH_STEP_BYTES: usize = 64 * 1024;

/// The outgoing queue takes no more: 64 messages or 1 MiB wait, or a close frame is queued and nothing may follow.
///
/// The caller decides: keep and try later, drop, or end the connection (a station that does not read).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("outgoing queue is full or closed")]
pub struct QueueFull;

/// Frames on their way out.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    /// How much of the front of `bytes` the stream has taken.
    taken: usize,
    /// What is left of each waiting frame, in order.
    frames: VecDeque<usize>,
    /// The newest ping that found the reserve full.
    pong_owed: Option<Bytes>,
    closed: bool,
}

// === impl Outgoing ===

impl Outgoing {
    pub(super) fn push_text(&mut self, text: &str) -> Result<(), QueueFull> {
        if self.closed
            || self.frames.len() >= QUEUED_MESSAGES_MAX
            || self.unsent().len() + text.len() > QUEUED_BYTES_MAX
        {
            return Err(QueueFull);
        }
        self.push(text.len(), |out| codec::encode_text(text, out));
        Ok(())
    }

    pub(super) fn push_ping(&mut self) -> Result<(), QueueFull> {
        if self.closed || self.frames.len() >= QUEUED_MESSAGES_MAX {
            return Err(QueueFull);
        }
        self.push(0, codec::encode_ping);
        Ok(())
    }

    pub(super) fn push_pong(&mut self, payload: Bytes) {
        if self.closed {
            return;
        }
        if self.frames.len() < QUEUED_MESSAGES_MAX + PONG_RESERVE {
            self.push(payload.len(), |out| codec::encode_pong(&payload, out));
        } else {
            self.pong_owed = Some(payload);
        }
    }

    /// Queues the close frame behind all that waits. A second one is ignored.
    pub(super) fn push_close(&mut self, close: Option<(CloseCode, &str)>) {
        if !self.closed {
            self.push(0, |out| codec::encode_close(close, out));
            self.closed = true;
            self.pong_owed = None;
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unsent().is_empty()
    }

    /// All bytes that wait, in order.
    pub(super) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// The stream has taken `length` bytes of [`Self::unsent`].
    pub(super) fn advance(&mut self, length: usize) {
        self.taken += length;
        let mut left = length;
        while let Some(frame) = self.frames.front_mut() {
            if *frame > left {
                *frame -= left;
                break;
            }
            left -= *frame;
            self.frames.pop_front();
        }
        if self.is_empty() {
            self.bytes = Vec::new();
            self.taken = 0;
            self.frames = VecDeque::new();
        }
        if let Some(payload) = self.pong_owed.take() {
            self.push_pong(payload);
        }
    }

    /// Bytes of heap memory held.
    pub(super) fn retained_bytes(&self) -> usize {
        self.bytes.capacity()
            + self.frames.capacity() * size_of::<usize>()
            + self.pong_owed.as_ref().map_or(0, Bytes::len)
    }

    fn push(&mut self, length: usize, encode: impl FnOnce(&mut Vec<u8>)) {
        self.make_room(codec::frame_bytes_max(length));
        let before = self.bytes.len();
        encode(&mut self.bytes);
        self.frames.push_back(self.bytes.len() - before);
    }

    fn make_room(&mut self, length: usize) {
        if self.bytes.len() + length <= self.bytes.capacity() {
            return;
        }
        self.bytes.drain(..self.taken);
        self.taken = 0;
        let needed = self.bytes.len() + length;
        let target = needed.max((self.bytes.capacity() * 2).min(needed + GROWTH_STEP_BYTES));
        self.bytes.reserve_exact(target - self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Outgoing {
        let mut queue = Outgoing::default();
        for _ in 0..QUEUED_MESSAGES_MAX {
            queue.push_text("x").unwrap();
        }
        queue
    }

    #[test]
    fn sixty_fifth_message_is_refused_until_one_has_left() {
        let mut queue = filled();
        assert_eq!(queue.push_text("x"), Err(QueueFull));
        assert_eq!(queue.push_ping(), Err(QueueFull));
        queue.advance(2);
        assert_eq!(queue.push_text("x"), Err(QueueFull), "a frame cut in the middle still waits");
        queue.advance(1);
        assert_eq!(queue.push_text("x"), Ok(()));
    }

    #[test]
    fn message_of_one_mebibyte_fits_and_not_a_byte_more() {
        let mut queue = Outgoing::default();
        assert_eq!(queue.push_text(&"x".repeat(QUEUED_BYTES_MAX + 1)), Err(QueueFull));
        assert_eq!(queue.push_text(&"x".repeat(QUEUED_BYTES_MAX)), Ok(()));
        assert_eq!(queue.push_text("x"), Err(QueueFull));
    }

    #[test]
    fn full_queue_holds_little_more_than_its_bound() {
        let mut queue = Outgoing::default();
        let text = "x".repeat(40_000);
        while queue.push_text(&text).is_ok() {}
        assert!(queue.unsent().len() > QUEUED_BYTES_MAX - 41_000);
        assert!(queue.retained_bytes() <= QUEUED_BYTES_MAX + GROWTH_STEP_BYTES, "{}", queue.retained_bytes());
    }

    #[test]
    fn flood_of_pings_leaves_only_the_newest_owed() {
        let mut queue = filled();
        for n in 0..100_u8 {
            queue.push_pong(Bytes::copy_from_slice(&[n]));
        }
        assert_eq!(queue.frames.len(), QUEUED_MESSAGES_MAX + PONG_RESERVE);
        let last = |queue: &Outgoing| queue.unsent().last().copied();
        assert_eq!(last(&queue), Some(15));
        queue.advance(3);
        assert_eq!(last(&queue), Some(99));
        assert_eq!(queue.pong_owed, None);
    }

    #[test]
    fn nothing_follows_the_close_frame() {
        let mut queue = filled();
        queue.push_close(Some((CloseCode::RESTART, "")));
        let length = queue.unsent().len();
        queue.push_close(Some((CloseCode::NORMAL, "")));
        queue.push_pong(Bytes::new());
        queue.advance(3);
        assert_eq!(queue.push_text("x"), Err(QueueFull));
        assert_eq!(queue.push_ping(), Err(QueueFull));
        assert_eq!(queue.unsent().len(), length - 3);
        assert_eq!(queue.unsent().last_chunk::<4>(), Some(&[0x88, 2, 0x03, 0xf4]));
    }

    #[test]
    fn drained_queue_holds_no_memory() {
        let mut queue = filled();
        queue.push_text(&"x".repeat(20_000)).unwrap_err();
        queue.advance(queue.unsent().len());
        assert!(queue.is_empty());
        assert_eq!(queue.retained_bytes(), 0);
    }

    #[test]
    fn bytes_keep_their_order_across_partial_writes() {
        let mut queue = Outgoing::default();
        let mut sent = Vec::new();
        let mut expected = Vec::new();
        for n in 0..200_usize {
            let text = "abcdefghij".repeat(n % 40);
            codec::encode_text(&text, &mut expected);
            while queue.push_text(&text).is_err() {
                let part = queue.unsent().len().min(777);
                sent.extend_from_slice(&queue.unsent()[..part]);
                queue.advance(part);
            }
        }
        sent.extend_from_slice(queue.unsent());
        assert_eq!(sent, expected);
    }
}
