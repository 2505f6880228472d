//! What a decision gives back: an answer, facts to keep, things to do.

use crate::event::DomainEvent;
use crate::reply::StationReply;

/// The result of one `apply`. Effects are safe to lose; what must not be lost is an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The answer, when the input asked for one.
    pub reply: Option<StationReply>,
    /// Facts, in the order they happened.
    pub events: Vec<DomainEvent>,
    /// Things to do, in this order.
    pub effects: Vec<Effect>,
}

/// Something the actor does on behalf of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the peer's WebSocket layer for a sign of life.
    Ping,
    /// Close the socket: nothing was heard for too long.
    CloseSilent,
    /// Count something the field does that the standard does not say.
    Count(Oddity),
}

/// Things that are accepted, but not as they should be; counted so that they can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oddity {
    /// A message about a transaction the station never got a number for.
    MissingTransactionId,
    /// A message about a transaction this station does not have.
    UnknownTransaction,
    /// A clock that cannot be right; our time was taken.
    ImplausibleTime,
    /// More connectors or open transactions than a station can have here; the surplus is not kept in the live picture.
    TooMany,
    /// A second transaction on an EVSE that already has one.
    OverlappingTransaction,
    /// The same message again with other content: kept beside the first, which counts.
    ContradictingRepeat,
    /// A message about a transaction of another station.
    ForeignTransaction,
    /// A message about a transaction that cannot be read: kept as it came, nothing of it is billed.
    UnreadableMessage,
    /// A reading that names no transaction, at an EVSE where one goes on.
    ReadingWithoutTransaction,
    /// More signed values in one message than are verified.
    UnverifiedSignatures,
    /// A transaction with a token of a uid that several other companies know: the first of them by name was taken.
    AmbiguousToken,
}

impl Oddity {
    /// Those of which each may be money that nobody is billed: a person looks at every one.
    pub const COSTING: [Self; 3] =
        [Self::UnreadableMessage, Self::ContradictingRepeat, Self::ForeignTransaction];

    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingTransactionId => "missing_transaction_id",
            Self::UnknownTransaction => "unknown_transaction",
            Self::ImplausibleTime => "implausible_time",
            Self::TooMany => "too_many",
            Self::OverlappingTransaction => "overlapping_transaction",
            Self::ContradictingRepeat => "contradicting_repeat",
            Self::ForeignTransaction => "foreign_transaction",
            Self::UnreadableMessage => "unreadable_message",
            Self::ReadingWithoutTransaction => "reading_without_transaction",
            Self::UnverifiedSignatures => "unverified_signatures",
            Self::AmbiguousToken => "ambiguous_token",
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// An answer and nothing else.
    #[must_use]
    pub fn reply(reply: StationReply) -> Self {
        Self { reply: Some(reply), events: Vec::new(), effects: Vec::new() }
    }

    /// Nothing at all.
    #[must_use]
    pub fn nothing() -> Self {
        Self { reply: None, events: Vec::new(), effects: Vec::new() }
    }

    /// With one more fact.
    #[must_use]
    pub fn event(mut self, event: DomainEvent) -> Self {
        self.events.push(event);
        self
    }

    /// With one more thing to do.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}
