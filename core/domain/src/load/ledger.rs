//! The ledger of grants: what every EVSE of a site may draw at most, whoever asks and whatever gets lost on the way.
//!
//! An EVSE's ceiling is what its station may have in force: the highest of its open grants and of what it may draw without one. No
//! ceiling is raised unless the sum of all ceilings stays within every row of the site's tree (`GrantsWithinLimit`), and none is
//! lowered because something was *sent*: only because the station confirmed it and had its guard time, or because a grant ended at a
//! station that is known to end it. The store locks the site, loads this value, calls [`Ledger::transact`] and writes what it says; it
//! is safe with two owners at once and without any lease (reliability.md 8 and 9, charging.md 5).
//!
//! Here: [`account`] (one EVSE), [`row`] (one limit and who counts against it), [`fence`] (the last check before the wire), [`conduct`]
//! (what is known of a station's habits), [`steering`] (the owner's side: from a plan to calls).
//!
//! Never here: clocks, SQL, messages of a protocol, and any thought about who *should* charge.

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, GrantSeq, TransactionId};
use crate::load::ledger::account::{Account, Grant};
use crate::load::ledger::row::Row;
use crate::time::Timestamp;
use crate::unit::Milliamps;

pub mod account;
pub mod conduct;
pub mod fence;
pub mod row;
pub mod steering;

/// An EVSE's place in the order of its site's tree; the same in the rows and in the accounts.
pub type Slot = usize;

/// A grant that somebody wants to open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proposal {
    /// For which EVSE.
    pub slot: Slot,
    /// The last sequence the proposer knows of it. If another one came in between, nothing is opened; if the commit's outcome is
    /// unknown, it tells whether it went through.
    pub after: GrantSeq,
    /// Milliamperes per line used, not negative.
    pub limit: Milliamps,
    /// When the station lets it go by itself; none only for grants that are not above the fallback, or have no fallback below them.
    pub valid_to: Option<Timestamp>,
    /// The connection it shall be sent over.
    pub connection: Epoch,
    /// The transaction its profile is bound to.
    pub transaction: Option<TransactionId>,
}

/// One change of the ledger. Each is one transaction of the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change {
    /// Open a grant: before it is sent (G1, G2).
    Open(Proposal),
    /// The station answered Accepted. Frees nothing (L3).
    Accept {
        /// Which EVSE.
        slot: Slot,
        /// Which grant.
        seq: GrantSeq,
    },
    /// A grant was accepted and its guard is over, or it ended early by two samples (G2, G5): older ones cannot be in force any more.
    Close {
        /// Which EVSE.
        slot: Slot,
        /// Grants with a smaller sequence are closed.
        below: GrantSeq,
    },
    /// Grants that can be in force no more without a newer one in their place: their transaction is over and the
    /// station removed its profiles (G6), or a silent station let them go by itself (G7, OCPP 2.1 `invalidAfterOfflineDuration`).
    Release {
        /// Which EVSE.
        slot: Slot,
        /// Grants up to and with this sequence are closed.
        through: GrantSeq,
    },
    /// Grants whose end lies before this instant are closed: only for stations proven to keep to it, with the margin taken off (G7).
    Expire {
        /// Which EVSE.
        slot: Slot,
        /// Our clock less the margin.
        before: Timestamp,
    },
    /// A fallback profile is about to be sent.
    OpenFallback {
        /// Which EVSE.
        slot: Slot,
        /// What the station may draw without a grant.
        value: Milliamps,
    },
    /// A fallback is in force: accepted and its guard over, or read back.
    ConfirmFallback {
        /// Which EVSE.
        slot: Slot,
        /// What the station showed.
        value: Milliamps,
    },
    /// The fallback is not what it should be: the EVSE counts with its rated current at once (G8).
    LoseFallback {
        /// Which EVSE.
        slot: Slot,
    },
    /// The station draws more than its ceiling, or an operator says it is mended (G12).
    SetDeaf {
        /// Which EVSE.
        slot: Slot,
        /// Whether it counts with its rated current whatever it accepts.
        deaf: bool,
    },
}

/// Why the ledger did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// Another owner has the site now: ask no more.
    NotOwner {
        /// Whose epoch is current.
        current: Epoch,
    },
    /// Another grant was opened in between: load the ledger again.
    Moved {
        /// The EVSE's last sequence.
        last: GrantSeq,
    },
    /// A row would be over its limit.
    Full {
        /// The row, by its place in the tree's order.
        row: usize,
        /// The highest ceiling that row has room for; at least the present one. Of a row that is over: what the EVSE has, and no more.
        free: Milliamps,
    },
    /// No such EVSE.
    Unknown,
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The account is to be written as it now is. The grant is the one that was opened and may now be sent.
    Written {
        /// The opened grant.
        opened: Option<Grant>,
    },
    /// Nothing is to be written.
    Refused(Refusal),
}

/// Everything the store keeps for one site: whose it is, and one account for each EVSE, in the order of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ledger {
    /// The epoch of the present owner.
    pub owner: Epoch,
    /// One for each EVSE of the site, connected or not.
    pub accounts: Vec<Account>,
}

// === impl Change ===

impl Change {
    /// Which EVSE it is about.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        match self {
            Self::Open(proposal) => proposal.slot,
            Self::Accept { slot, .. }
            | Self::Close { slot, .. }
            | Self::Release { slot, .. }
            | Self::Expire { slot, .. }
            | Self::OpenFallback { slot, .. }
            | Self::ConfirmFallback { slot, .. }
            | Self::LoseFallback { slot }
            | Self::SetDeaf { slot, .. } => *slot,
        }
    }
}

// === impl Ledger ===

impl Ledger {
    /// The ceilings of all EVSEs, in the order of the tree.
    #[must_use]
    pub fn ceilings(&self) -> Vec<Milliamps> {
        self.accounts.iter().map(Account::ceiling).collect()
    }

    /// A new owner: its epoch is higher than that of every owner before it (G10).
    pub const fn claim(&mut self) -> Epoch {
        self.owner = Epoch(self.owner.0.saturating_add(1));
        self.owner
    }

    /// Makes one change, or says why not. Total: nothing here panics, and a refused change leaves the ledger as it was.
    pub fn transact(&mut self, rows: &[Row], owner: Epoch, change: &Change) -> Verdict {
        match change {
            Change::Open(proposal) => self.open(rows, owner, proposal),
            Change::Accept { slot, seq } => self.note(*slot, |account| account.accept(*seq)),
            Change::Close { slot, below } => self.note(*slot, |account| account.close_below(*below)),
            Change::Release { slot, through } => self.note(*slot, |account| account.close_through(*through)),
            Change::Expire { slot, before } => self.note(*slot, |account| account.expire(*before)),
            Change::OpenFallback { slot, value } => self.open_fallback(rows, owner, *slot, *value),
            // Whoever has the site now may have had the station cleared since.
            Change::ConfirmFallback { .. } if owner != self.owner => {
                Verdict::Refused(Refusal::NotOwner { current: self.owner })
            }
            Change::ConfirmFallback { slot, value } => {
                self.note(*slot, |account| account.confirm_fallback(*value))
            }
            Change::LoseFallback { slot } => self.note(*slot, Account::lose_fallback),
            Change::SetDeaf { slot, deaf } => self.note(*slot, |account| account.set_deaf(*deaf)),
        }
    }

    fn open(&mut self, rows: &[Row], owner: Epoch, proposal: &Proposal) -> Verdict {
        let Some(account) = self.accounts.get(proposal.slot) else {
            return Verdict::Refused(Refusal::Unknown);
        };
        if owner != self.owner {
            return Verdict::Refused(Refusal::NotOwner { current: self.owner });
        }
        if account.seq != proposal.after {
            return Verdict::Refused(Refusal::Moved { last: account.seq });
        }
        let ceiling = account.ceiling().max(proposal.limit);
        let raises = proposal.limit > account.held();
        if let Err(refusal) = self.admit(rows, proposal.slot, ceiling) {
            return Verdict::Refused(refusal);
        }
        if let Some(row) = self.over(rows, proposal.slot).filter(|_| raises) {
            let free = self.accounts.get(proposal.slot).map_or(Milliamps::ZERO, Account::held);
            return Verdict::Refused(Refusal::Full { row, free });
        }
        let opened = self.accounts.get_mut(proposal.slot).map(|account| account.open(proposal));
        Verdict::Written { opened }
    }

    fn open_fallback(&mut self, rows: &[Row], owner: Epoch, slot: Slot, value: Milliamps) -> Verdict {
        let Some(account) = self.accounts.get(slot) else { return Verdict::Refused(Refusal::Unknown) };
        if owner != self.owner {
            return Verdict::Refused(Refusal::NotOwner { current: self.owner });
        }
        let ceiling = account.ceiling().max(value);
        if let Err(refusal) = self.admit(rows, slot, ceiling) {
            return Verdict::Refused(refusal);
        }
        self.note(slot, |account| account.open_fallback(value))
    }

    /// L1: may this EVSE's ceiling become `ceiling`? A ceiling that does not rise is always admitted, even where a limit fell and the
    /// row is over: lowering must never be refused.
    fn admit(&self, rows: &[Row], slot: Slot, ceiling: Milliamps) -> Result<(), Refusal> {
        let present = self.accounts.get(slot).map_or(Milliamps::ZERO, Account::ceiling);
        if ceiling <= present {
            return Ok(());
        }
        match row::tightest(rows, &self.ceilings(), slot) {
            Some((row, free)) if free < ceiling => Err(Refusal::Full { row, free }),
            Some(_) | None => Ok(()),
        }
    }

    /// The first row over its limit that counts this EVSE. While there is one nothing is raised there, not even below a ceiling: that of a
    /// station whose fallback is in doubt is its rated current, and says that it might draw that, not that there is room for it.
    fn over(&self, rows: &[Row], slot: Slot) -> Option<usize> {
        let over = row::overloaded(rows, &self.ceilings());
        over.into_iter().find(|place| rows.get(*place).is_some_and(|row| row.coefficient(slot) > 0))
    }

    fn note(&mut self, slot: Slot, change: impl FnOnce(&mut Account)) -> Verdict {
        let Some(account) = self.accounts.get_mut(slot) else { return Verdict::Refused(Refusal::Unknown) };
        change(account);
        Verdict::Written { opened: None }
    }
}
