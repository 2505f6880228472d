//! One EVSE's account: its open grants, its fallback, and the ceiling that follows from them.

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, GrantSeq, TransactionId};
use crate::load::ledger::Proposal;
use crate::time::Timestamp;
use crate::unit::Milliamps;

/// The most grants an account holds open. Beyond it the two oldest become one that covers both: the ceiling stays, and stays as long.
pub const OPEN_MAX: usize = 8;

/// How far a grant has come. A closed one leaves the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// It may have been sent, or not; it may be in force, or not.
    Open,
    /// The station said Accepted: it is in force after the guard at the latest.
    Accepted,
}

/// A promise to one EVSE that counts from before it is sent until the station can have it in force no more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Its place in the order of this EVSE's grants.
    pub seq: GrantSeq,
    /// Milliamperes per line used.
    pub limit: Milliamps,
    /// When the station lets it go by itself.
    pub valid_to: Option<Timestamp>,
    /// The connection it was made for.
    pub connection: Epoch,
    /// The transaction its profile is bound to.
    pub transaction: Option<TransactionId>,
    /// Open or accepted.
    pub state: GrantState,
}

/// What an EVSE may draw while no grant holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Nobody knows: the rated current counts.
    Unconfirmed,
    /// The station has it in force.
    Confirmed(Milliamps),
}

/// The account of one EVSE.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Account {
    /// The highest current it can draw, in milliamperes per line.
    pub rated: Milliamps,
    /// What it may draw without a grant.
    pub fallback: Fallback,
    /// A fallback that was sent and is not confirmed: it may be in force.
    pub opening: Option<Milliamps>,
    /// It was seen to draw more than it was allowed: its rated current counts until an operator says otherwise (G12).
    pub deaf: bool,
    /// The last sequence given out; never goes back, also when no grant is open.
    pub seq: GrantSeq,
    /// Open grants by rising sequence, at most [`OPEN_MAX`].
    pub grants: Vec<Grant>,
}

// === impl Account ===

impl Account {
    /// An EVSE of which nothing is known: its rated current counts.
    #[must_use]
    pub const fn new(rated: Milliamps) -> Self {
        Self {
            rated,
            fallback: Fallback::Unconfirmed,
            opening: None,
            deaf: false,
            seq: GrantSeq(0),
            grants: Vec::new(),
        }
    }

    /// The same with a fallback in force.
    #[must_use]
    pub fn with_fallback(rated: Milliamps, fallback: Milliamps) -> Self {
        Self { fallback: Fallback::Confirmed(fallback), ..Self::new(rated) }
    }

    /// The highest current this EVSE may have in force: charging, idle, offline or out of order, because a transaction can start at any
    /// moment and starts under the fallback.
    #[must_use]
    pub fn ceiling(&self) -> Milliamps {
        self.grants.iter().map(|grant| grant.limit).fold(self.floor(), Milliamps::max)
    }

    /// What counts without any grant: less than this can be granted, but frees nothing.
    #[must_use]
    pub fn floor(&self) -> Milliamps {
        let fallback = match self.fallback {
            Fallback::Confirmed(fallback) if !self.deaf => fallback,
            Fallback::Confirmed(_) | Fallback::Unconfirmed => self.rated,
        };
        fallback.max(self.opening.unwrap_or_default())
    }

    /// The grant that was opened last, if it is still open.
    #[must_use]
    pub fn newest(&self) -> Option<&Grant> {
        self.grants.last()
    }

    /// What the station has in force, or will have when its newest grant arrives.
    #[must_use]
    pub fn held(&self) -> Milliamps {
        self.newest().map_or_else(|| self.floor(), |grant| grant.limit)
    }

    /// Of an EVSE that was out of every tree: it may have all that it was given or none, and what is on its way to it is older than what follows.
    #[must_use]
    pub fn unknown(self) -> Self {
        Self { fallback: Fallback::Unconfirmed, opening: None, seq: self.seq.next(), ..self }
    }

    /// Of an EVSE whose station has none of our profiles any more: nothing but its sequence is left of what it was given.
    #[must_use]
    pub fn cleared(self) -> Self {
        Self { fallback: Fallback::Unconfirmed, opening: None, grants: Vec::new(), ..self }
    }

    pub(super) fn open(&mut self, proposal: &Proposal) -> Grant {
        self.seq = self.seq.next();
        let grant = Grant {
            seq: self.seq,
            limit: proposal.limit.max(Milliamps::ZERO),
            valid_to: proposal.valid_to,
            connection: proposal.connection,
            transaction: proposal.transaction.clone(),
            state: GrantState::Open,
        };
        // An older grant that a newer one covers in height and time adds nothing: whatever closes the newer one closes it too.
        self.grants.retain(|old| !covers(&grant, old));
        self.grants.push(grant.clone());
        if self.grants.len() > OPEN_MAX {
            self.merge_oldest();
        }
        grant
    }

    fn merge_oldest(&mut self) {
        let oldest = self.grants.remove(0);
        if let Some(next) = self.grants.first_mut() {
            next.limit = next.limit.max(oldest.limit);
            next.valid_to = match (next.valid_to, oldest.valid_to) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (None, _) | (_, None) => None,
            };
        }
    }

    pub(super) fn accept(&mut self, seq: GrantSeq) {
        if let Some(grant) = self.grants.iter_mut().find(|grant| grant.seq == seq) {
            grant.state = GrantState::Accepted;
        }
    }

    pub(super) fn close_below(&mut self, below: GrantSeq) {
        self.grants.retain(|grant| grant.seq >= below);
    }

    pub(super) fn close_through(&mut self, through: GrantSeq) {
        self.grants.retain(|grant| grant.seq > through);
    }

    pub(super) fn expire(&mut self, before: Timestamp) {
        self.grants.retain(|grant| grant.valid_to.is_none_or(|end| end >= before));
    }

    pub(super) fn open_fallback(&mut self, value: Milliamps) {
        self.opening = Some(self.opening.unwrap_or_default().max(value));
    }

    pub(super) const fn confirm_fallback(&mut self, value: Milliamps) {
        self.fallback = Fallback::Confirmed(value);
        self.opening = None;
    }

    pub(super) const fn lose_fallback(&mut self) {
        self.fallback = Fallback::Unconfirmed;
    }

    pub(super) const fn set_deaf(&mut self, deaf: bool) {
        self.deaf = deaf;
    }
}

fn covers(newer: &Grant, older: &Grant) -> bool {
    let as_long = match (newer.valid_to, older.valid_to) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(newer), Some(older)) => newer >= older,
    };
    newer.limit >= older.limit && as_long
}
