//! What a site's owner hears and what it wants done.

use crate::id::{Epoch, GrantSeq, TransactionId};
use crate::load::ledger::account::{Account, Grant};
use crate::load::ledger::conduct::Conduct;
use crate::load::ledger::row::Row;
use crate::load::ledger::{Change, Ledger, Refusal, Slot};
use crate::time::Timestamp;
use crate::unit::Milliamps;

/// Something that happens to one EVSE or to the whole site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The ledger as the store has it: at the start, as a new owner, and after every [`Effect::Load`]. The store's answers come in the
    /// order in which it did things.
    Loaded(Box<Ledger>),
    /// The limits changed, or what counts against them; the whole list. G9 follows by itself.
    Rows(Vec<Row>),
    /// A new plan: one target for each EVSE, by slot, in milliamperes per line. It replaces what waits, never what was sent.
    Plan(Vec<Milliamps>),
    /// How an [`Effect::Write`] ended.
    Stored(Slot, StoreAnswer),
    /// Something about one EVSE.
    Evse(Slot, EvseInput),
    /// Time passed: at [`super::SteeringState::next_deadline`] or later.
    Tick,
}

/// What became of a transaction of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAnswer {
    /// The store did what [`Effect::Write`] asked.
    Written {
        /// The account as it now is.
        account: Box<Account>,
        /// The opened grant, which may now be sent.
        opened: Option<Grant>,
    },
    /// The store refused.
    Refused(Refusal),
    /// Nobody knows whether the store did it.
    WriteLost,
}

/// Something that happens to one EVSE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvseInput {
    /// Its station's habits are known better now.
    Habits(Conduct),
    /// Its station has a connection, whose fence is loaded already.
    Connected {
        /// The connection.
        connection: Epoch,
        /// How it came about.
        arrival: Arrival,
    },
    /// A connection ended: every call over it is settled one way or the other.
    Disconnected {
        /// Which; an old one's end does not concern a newer one.
        connection: Epoch,
    },
    /// A transaction runs.
    Started(TransactionId),
    /// A transaction's end is committed.
    Ended(TransactionId),
    /// The station accepted a grant.
    Accepted(GrantSeq),
    /// The station refused a grant, or answered with an error.
    Rejected(GrantSeq),
    /// No answer to a grant within the call's time: it may be in force, or come into force later.
    TimedOut(GrantSeq),
    /// The connection did not send a grant: the fence was higher.
    Fenced(GrantSeq),
    /// The station told what it has installed.
    ReadBack {
        /// The profile of the running transaction with its end, which names the grant: a value alone may be that of an older one, while
        /// what was accepted after it is still coming. None where there is none, or where only a composite of limits is told.
        grant: Option<(Milliamps, Timestamp)>,
        /// Its fallback; none where there is none.
        fallback: Option<Milliamps>,
    },
    /// The station removed the profiles of transactions, or said that there are none.
    Cleared,
    /// The station accepted its fallback.
    FallbackAccepted,
    /// The station refused its fallback, or answered with an error.
    FallbackRejected,
    /// A call other than a grant timed out or came to nothing else.
    CallFailed,
    /// A meter sample: what it proves of the current on the busiest line.
    Measured {
        /// It was so much at least: what a station is blamed for.
        least: Milliamps,
        /// It was so much at most: what shows that a limit is in force.
        most: Milliamps,
        /// When it was taken, on our clock: a sample that was on its way for long proves nothing of what was granted meanwhile.
        taken_at: Timestamp,
    },
    /// The car waits for a profile: the newest value is issued again.
    Asked,
    /// An operator says that the station is mended (G12).
    Mended,
}

/// How a connection came about: it says what can still be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It was there before this owner was (G10).
    Found,
    /// The station came back without having started anew (G8).
    Reconnected,
    /// The station started anew: what it has installed is read back, the fallback too (G8).
    Booted,
}

/// Something to do, in order. A lost effect is made good by the input that tells so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// One transaction of the store: lock the site, load, [`Ledger::transact`], write; answer with [`Input::Stored`].
    Write {
        /// For which EVSE.
        slot: Slot,
        /// What.
        change: Change,
    },
    /// Read the ledger again, as often as it takes: until [`Input::Loaded`] nothing else is asked of the store.
    Load,
    /// Hand a grant to its connection, whose fence decides.
    Send {
        /// To which EVSE.
        slot: Slot,
        /// What.
        grant: Grant,
    },
    /// Ask the station what it has installed.
    ReadBack {
        /// At which EVSE.
        slot: Slot,
    },
    /// Remove the profiles of transactions. The connection first raises its fence to `through`, so that nothing older is sent after it.
    Clear {
        /// At which EVSE.
        slot: Slot,
        /// The last sequence given out.
        through: GrantSeq,
    },
    /// Install the fallback profile.
    InstallFallback {
        /// At which EVSE.
        slot: Slot,
        /// Milliamperes per line.
        value: Milliamps,
    },
    /// Tell a human.
    Alarm(Alarm),
}

/// What a human should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// It draws more than its ceiling in two samples (G12).
    Deaf {
        /// Which EVSE.
        slot: Slot,
        /// What it drew at least.
        measured: Milliamps,
        /// What it may have in force.
        ceiling: Milliamps,
    },
    /// After a boot the fallback is not what it should be, or can neither be read nor installed (G8).
    FallbackLost {
        /// Which EVSE.
        slot: Slot,
    },
    /// A row is over its limit and this EVSE cannot be told (G9).
    Unreachable {
        /// Which EVSE.
        slot: Slot,
        /// What it may have in force.
        ceiling: Milliamps,
        /// When that decays by itself; none when only its word counts.
        decays_at: Option<Timestamp>,
    },
    /// The station refused grants or its fallback three times in a row.
    Refusing {
        /// Which EVSE.
        slot: Slot,
    },
    /// Another owner has the site.
    Deposed,
}

// === impl Alarm ===

impl Alarm {
    /// In one word: in the API, in metrics and in the log.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Deaf { .. } => "deaf",
            Self::FallbackLost { .. } => "fallback_lost",
            Self::Unreachable { .. } => "unreachable",
            Self::Refusing { .. } => "refusing",
            Self::Deposed => "deposed",
        }
    }
}
