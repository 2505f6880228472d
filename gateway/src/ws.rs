//! The WebSocket layer of the station listener: words that its parts and the `Connection` actor share.
//!
//! Place on the walk: *socket*. `codec` is pure (bytes in, messages out, RFC 6455 server side), `outgoing` is the
//! bounded queue of what we send, `socket` joins both to a byte stream (TCP or TLS) on one thread.
//!
//! Everything is bounded and checked on the frame header, before a byte of payload is kept; buffers are given
//! back as soon as they are empty. No extension is negotiated: a frame with a reserved bit is a fault.
//!
//! Never here: HTTP, OCPP, JSON, an actor, a second thread.

pub mod codec;
pub mod outgoing;
pub mod socket;

use bytes::Bytes;
use std::io;
use thiserror::Error;

/// Largest payload of one frame, in bytes. Source: security.md I1.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Largest message after reassembly, in bytes. Source: security.md I1.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Largest number of frames of one message, the empty ones counted. Source: security.md I1.
pub const FRAGMENTS_MAX: usize = 128;

/// Largest payload of a control frame, in bytes. Source: RFC 6455, 5.5.
pub const CONTROL_BYTES_MAX: usize = 125;

/// What a peer sent: a whole message, or a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A text message, at most [`MESSAGE_BYTES_MAX`] bytes, whole and valid UTF-8.
    Text(String),
    /// A binary message began. OCPP-J has none: no byte of it is kept and [`socket`] closes with 1003.
    Binary,
    /// A ping of at most [`CONTROL_BYTES_MAX`] bytes. [`socket`] has queued the pong already: it is only a sign of life.
    Ping(Bytes),
    /// A pong, asked for or not. Its payload is not kept: any frame proves life.
    Pong,
    /// The peer closes. [`socket`] has queued the answer; the stream ends after it.
    Close(Option<CloseFrame>),
}

/// Why a peer closes, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// A code that may stand on the wire.
    pub code: CloseCode,
    /// Free text for the log, at most 123 bytes, often empty.
    pub reason: String,
}

/// A close code of RFC 6455, 7.4, or of IANA's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

// === impl CloseCode ===

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// This end goes away for good.
    pub const AWAY: Self = Self(1001);
    /// The peer broke RFC 6455, or offered no subprotocol of ours.
    pub const PROTOCOL: Self = Self(1002);
    /// A kind of message we do not take: binary.
    pub const UNSUPPORTED: Self = Self(1003);
    /// Text that is no UTF-8.
    pub const INVALID: Self = Self(1007);
    /// The peer broke a rule of ours.
    pub const POLICY: Self = Self(1008);
    /// A frame or message beyond our limits.
    pub const TOO_BIG: Self = Self(1009);
    /// A failure on our side.
    pub const INTERNAL: Self = Self(1011);
    /// This node restarts or drains: come back after a pause.
    pub const RESTART: Self = Self(1012);
    /// Overloaded, or the store is down: come back later.
    pub const TRY_AGAIN: Self = Self(1013);

    /// The code, if it may stand in a close frame: 1000-1003, 1007-1014, 3000-4999. `None` for all others.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Why a socket ended other than by a close handshake. The connection is over with any of them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WsFault {
    /// RFC 6455 is broken: 1002.
    #[error("protocol broken: {0}")]
    Protocol(ProtocolFault),
    /// Text or a close reason that is no UTF-8: 1007.
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// A limit of this module is passed: 1009.
    #[error("too big: {0}")]
    TooBig(Limit),
    /// Nothing of what we write was taken for 15 s. No close frame: it would not be taken either.
    #[error("peer does not read")]
    Stalled,
    /// The byte stream broke or ended without a close frame.
    #[error("connection lost: {0}")]
    Lost(io::ErrorKind),
}

// === impl WsFault ===

impl WsFault {
    /// The code the close frame carries, where one can still be sent.
    #[must_use]
    pub const fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Protocol(_) => Some(CloseCode::PROTOCOL),
            Self::InvalidUtf8 => Some(CloseCode::INVALID),
            Self::TooBig(_) => Some(CloseCode::TOO_BIG),
            Self::Stalled | Self::Lost(_) => None,
        }
    }

    /// The metric label, snake case, one of a closed set.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Protocol(_) => "protocol",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::TooBig(_) => "too_big",
            Self::Stalled => "stalled",
            Self::Lost(_) => "lost",
        }
    }
}

/// Which rule of RFC 6455 a peer broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProtocolFault {
    /// A client's frame is not masked (5.1).
    #[error("frame is not masked")]
    Unmasked,
    /// A reserved bit is set and no extension was negotiated (5.2).
    #[error("reserved bit is set")]
    ReservedBits,
    /// Opcode 3-7 or 11-15 (5.2).
    #[error("opcode is unknown")]
    UnknownOpcode,
    /// A control frame announces more than 125 bytes (5.5).
    #[error("control frame is too long")]
    ControlTooLong,
    /// A control frame is fragmented (5.5).
    #[error("control frame is fragmented")]
    ControlFragmented,
    /// A continuation with nothing to continue (5.4).
    #[error("nothing to continue")]
    NothingToContinue,
    /// A new message inside a fragmented one (5.4).
    #[error("message inside a message")]
    Interleaved,
    /// A close frame with a payload of one byte (5.5.1).
    #[error("close frame is cut")]
    CloseCut,
    /// A close code that may not stand on the wire (7.4).
    #[error("close code is not allowed")]
    CloseCode,
}

/// Which limit of this module was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Limit {
    /// [`FRAME_BYTES_MAX`].
    #[error("frame")]
    Frame,
    /// [`MESSAGE_BYTES_MAX`].
    #[error("message")]
    Message,
    /// [`FRAGMENTS_MAX`].
    #[error("fragments")]
    Fragments,
}
