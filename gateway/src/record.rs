//! Recording of frames: bounded, masked, never in anybody's way.
//!
//! Frames go through a bounded channel to one task that writes them in batches. When the store is slow the newest are dropped and
//! counted; nothing a station says waits for its own recording.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ringmain_domain::id::StationId;
use ringmain_domain::time::Timestamp;
use ringmain_ocpp::action::Action;
use ringmain_ocpp::frame::Frame;
use ringmain_ocpp::message_id::MessageId;
use ringmain_store::messages::RecordedMessage;
use ringmain_store::store::Store;
use tokio::sync::{mpsc, oneshot};

use crate::mask;

/// Frames on their way to the store, and their texts together, in bytes.
const QUEUE: usize = 8_192;
const QUEUE_BYTES: usize = 16 * 1024 * 1024;
const BATCH: usize = 512;
/// How long frames may gather before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// How often old frames are deleted.
const TRIM_EVERY: Duration = Duration::from_secs(60);
/// What is kept of a frame, in bytes.
pub const FRAME_KEPT_BYTES: usize = 16 * 1024;

/// Takes frames.
#[derive(Debug, Clone)]
pub struct Recorder {
    queue: Option<mpsc::Sender<Item>>,
    /// Bytes of the texts in the queue.
    queued: Arc<AtomicUsize>,
}

/// What goes through the queue, in order.
#[derive(Debug)]
enum Item {
    Frame(RecordedMessage),
    /// Answered once everything before it is written or given up.
    Flush(oneshot::Sender<()>),
}

// === impl Item ===

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Self::Frame(message) => message.frame.len(),
            Self::Flush(_) => 0,
        }
    }
}

// === impl Recorder ===

impl Recorder {
    /// A recorder and the task that writes, which ends with the last recorder. Disabled: a recorder that keeps nothing.
    pub fn new(store: Store, enabled: bool) -> (Self, impl Future<Output = ()>) {
        let (queue, frames) = mpsc::channel(QUEUE);
        let queued = Arc::new(AtomicUsize::new(0));
        let recorder = Self { queue: enabled.then_some(queue), queued: Arc::clone(&queued) };
        (recorder, write(store, frames, queued))
    }

    /// A frame of a station; `frame` is `None` for a text that is none.
    pub fn inbound(&self, station: &StationId, at: Timestamp, frame: Option<&Frame<'_>>, text: &str) {
        let (kind, action, id) = frame.map_or(("unreadable", None, ""), |frame| {
            let (action, id) = match frame {
                Frame::Call(call) | Frame::Send(call) => (Some(&*call.action), &call.id),
                Frame::CallResult(result) => (None, &result.id),
                Frame::CallError(error) | Frame::CallResultError(error) => (None, &error.id),
            };
            (kind_of(frame), action, id.as_str())
        });
        self.keep(station, at, true, (kind, action, id), text);
    }

    /// A frame of ours whose text says what it is.
    pub fn outbound(&self, station: &StationId, at: Timestamp, action: Option<&str>, text: &str) {
        let head = head_of(text);
        self.keep(station, at, false, (head.kind, action.or(head.action), head.id), text);
    }

    /// Our answer to a call.
    pub fn answered(&self, station: &StationId, at: Timestamp, action: Action, id: &MessageId, text: &str) {
        self.keep(station, at, false, ("call_result", Some(action.as_str()), id.as_str()), text);
    }

    fn keep(
        &self,
        station: &StationId,
        at: Timestamp,
        inbound: bool,
        (kind, action, id): (&str, Option<&str>, &str),
        text: &str,
    ) {
        let Some(queue) = &self.queue else { return };
        let message = RecordedMessage {
            station: station.clone(),
            at,
            inbound,
            kind: kind.into(),
            action: action.map(Into::into),
            message_id: id.into(),
            frame: kept(text),
        };
        let bytes = message.frame.len();
        let fits = self.queued.fetch_add(bytes, Ordering::Relaxed) + bytes <= QUEUE_BYTES;
        if !fits || queue.try_send(Item::Frame(message)).is_err() {
            self.queued.fetch_sub(bytes, Ordering::Relaxed);
            metrics::counter!(ringmain_domain::telemetry::FRAMES_UNRECORDED).increment(1);
        }
    }

    /// Waits until the frames taken so far are written: a node that leaves takes none of them with it.
    pub async fn flush(&self) {
        let Some(queue) = &self.queue else { return };
        let (written, done) = oneshot::channel();
        if queue.send(Item::Flush(written)).await.is_ok() {
            // An error means that the writer is gone, and then there is nothing to wait for.
            drop(done.await);
        }
    }
}

/// The name of a frame's kind, in recordings and metrics.
#[must_use]
pub const fn kind_of(frame: &Frame<'_>) -> &'static str {
    match frame {
        Frame::Call(_) => "call",
        Frame::CallResult(_) => "call_result",
        Frame::CallError(_) => "call_error",
        Frame::CallResultError(_) => "call_result_error",
        Frame::Send(_) => "send",
    }
}

struct Head<'a> {
    kind: &'static str,
    id: &'a str,
    action: Option<&'a str>,
}

/// What one of our own frames is: `[2,"id","Action",…`.
fn head_of(text: &str) -> Head<'_> {
    let kind = match text.as_bytes().get(1) {
        Some(b'2') => "call",
        Some(b'3') => "call_result",
        Some(b'4') => "call_error",
        Some(b'5') => "call_result_error",
        Some(b'6') => "send",
        _ => "unreadable",
    };
    let mut quoted = text.split('"');
    let id = quoted.nth(1).unwrap_or_default();
    let action = quoted.nth(1).filter(|_| matches!(kind, "call" | "send"));
    Head { kind, id, action }
}

/// Cut to its bound; the values of secret settings are not kept.
fn kept(text: &str) -> Box<str> {
    let masked = mask::text(text);
    let end = masked.floor_char_boundary(FRAME_KEPT_BYTES);
    masked.get(..end).unwrap_or(&masked).into()
}

async fn write(store: Store, mut queue: mpsc::Receiver<Item>, queued: Arc<AtomicUsize>) {
    let mut trim = tokio::time::interval(TRIM_EVERY);
    let mut items = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            taken = queue.recv_many(&mut items, BATCH) => {
                if taken == 0 {
                    return;
                }
            }
            _ = trim.tick() => {
                if let Err(error) = store.trim_messages().await {
                    tracing::warn!(%error, "old frames cannot be deleted");
                }
                continue;
            }
        }
        let is_awaited = items.iter().any(|item| matches!(item, Item::Flush(_)));
        if items.len() < BATCH && !is_awaited {
            tokio::time::sleep(GATHER).await;
            while items.len() < BATCH
                && let Ok(more) = queue.try_recv()
            {
                items.push(more);
            }
        }
        let bytes = items.iter().map(Item::bytes).sum();
        keep_batch(&store, items.drain(..)).await;
        queued.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Writes the frames among these, then tells those who wait for it.
async fn keep_batch(store: &Store, items: impl Iterator<Item = Item>) {
    let (mut batch, mut awaited) = (Vec::with_capacity(BATCH), Vec::new());
    for item in items {
        match item {
            Item::Frame(message) => batch.push(message),
            Item::Flush(written) => awaited.push(written),
        }
    }
    if let Err(error) = store.record_messages(&batch).await {
        tracing::warn!(%error, frames = batch.len(), "frames cannot be recorded");
        metrics::counter!(ringmain_domain::telemetry::FRAMES_UNRECORDED)
            .increment(u64::try_from(batch.len()).unwrap_or_default());
    }
    for written in awaited {
        // Whoever asked may have stopped waiting.
        written.send(()).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_cut_at_its_bound() {
        assert_eq!(kept(&"ü".repeat(FRAME_KEPT_BYTES)).len(), FRAME_KEPT_BYTES);
    }

    #[test]
    fn our_own_frames_say_what_they_are() {
        let head = head_of(r#"[2,"42","Reset",{"type":"Soft"}]"#);
        assert_eq!((head.kind, head.id, head.action), ("call", "42", Some("Reset")));
        let head = head_of(r#"[3,"42",{"status":"Accepted"}]"#);
        assert_eq!((head.kind, head.id, head.action), ("call_result", "42", None));
    }
}
