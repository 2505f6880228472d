//! How a connection ends: log field, metric label and assertion in tests.

use crate::ws::{CloseCode, WsFault};

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// The station closed, or its network did.
    Closed,
    /// A newer connection of the same station took its place.
    Replaced,
    /// Nothing was heard for too long.
    Silent,
    /// The station broke the rules of the socket or of the calls.
    Abuse,
    /// It did not read what we wrote.
    Stalled,
    /// This node leaves.
    Drained,
    /// What it had to store could not be stored: it keeps it and comes back.
    StoreLost,
    /// An operator removed or refused the station.
    Dismissed,
    /// A bug of ours.
    Panicked,
}

impl Exit {
    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Replaced => "replaced",
            Self::Silent => "silent",
            Self::Abuse => "abuse",
            Self::Stalled => "stalled",
            Self::Drained => "drained",
            Self::StoreLost => "store_lost",
            Self::Dismissed => "dismissed",
            Self::Panicked => "panicked",
        }
    }

    /// The close code the station is told, with a word for its log.
    #[must_use]
    pub const fn close(self) -> (CloseCode, &'static str) {
        match self {
            Self::Closed => (CloseCode::NORMAL, ""),
            Self::Replaced => (CloseCode::POLICY, "superseded"),
            Self::Silent => (CloseCode::AWAY, "silent"),
            Self::Abuse => (CloseCode::POLICY, "too many calls at once"),
            Self::Stalled => (CloseCode::AWAY, "stalled"),
            Self::Drained => (CloseCode::RESTART, "draining"),
            Self::StoreLost => (CloseCode::TRY_AGAIN, "try again later"),
            Self::Dismissed => (CloseCode::POLICY, "not welcome"),
            Self::Panicked => (CloseCode::INTERNAL, "internal error"),
        }
    }

    /// The exit that follows from a fault of the socket.
    #[must_use]
    pub const fn of_fault(fault: &WsFault) -> Self {
        match fault {
            WsFault::Protocol(_) | WsFault::InvalidUtf8 | WsFault::TooBig(_) => Self::Abuse,
            WsFault::Stalled => Self::Stalled,
            WsFault::Lost(_) => Self::Closed,
        }
    }
}
