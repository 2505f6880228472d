//! The last check before the wire: a grant goes out only over the connection it was made for, and never after a newer one (G3).

use std::collections::BTreeMap;

use ringmain_domain::id::{Epoch, EvseId, GrantSeq};
use ringmain_domain::load::ledger::fence::Fence;
use serde::{Deserialize, Serialize};

/// What an order asks of its EVSE's fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Whose fence.
    pub evse: EvseId,
    /// What.
    pub act: Act,
}

/// What is asked of a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Let this grant through, if it is newer than all before it.
    Pass {
        /// The connection it was made for.
        connection: Epoch,
        /// Its place among the EVSE's grants.
        seq: GrantSeq,
    },
    /// Let something through that knows of all grants up to this one, unless a newer one went out.
    Follow {
        /// The last it knows of.
        after: GrantSeq,
    },
    /// Let nothing through any more up to this one.
    Raise {
        /// The last that is held back.
        through: GrantSeq,
    },
}

/// The fences of one connection.
#[derive(Debug)]
pub(super) struct Fences {
    connection: Epoch,
    by_evse: BTreeMap<EvseId, Fence>,
}

// === impl Fences ===

impl Fences {
    /// Of a new connection: what was opened before it is never sent over it.
    pub(super) fn reloaded(connection: Epoch, last: Vec<(EvseId, GrantSeq)>) -> Self {
        let fence = |(evse, last)| (evse, Fence::reloaded(connection, last));
        Self { connection, by_evse: last.into_iter().map(fence).collect() }
    }

    /// May the order go out? An EVSE that had no account when the connection began has had no grant.
    pub(super) fn admit(&mut self, passage: Passage) -> bool {
        let new = || Fence::reloaded(self.connection, GrantSeq(0));
        let fence = self.by_evse.entry(passage.evse).or_insert_with(new);
        match passage.act {
            Act::Pass { connection, seq } => fence.pass(connection, seq),
            Act::Follow { after } => fence.follow(after),
            Act::Raise { through } => {
                fence.raise(through);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_passes_once_in_order_and_over_its_own_connection() {
        let mut fences = Fences::reloaded(Epoch(7), vec![(EvseId(1), GrantSeq(4))]);
        let mut pass = |evse, connection, seq| {
            let act = Act::Pass { connection: Epoch(connection), seq: GrantSeq(seq) };
            fences.admit(Passage { evse: EvseId(evse), act })
        };
        assert!(!pass(1, 7, 4), "opened before this connection");
        assert!(pass(1, 7, 5));
        assert!(!pass(1, 7, 5), "sent already");
        assert!(!pass(1, 6, 6), "made for another connection");
        assert!(pass(2, 7, 1), "another EVSE has its own");
        let raise = Act::Raise { through: GrantSeq(9) };
        assert!(fences.admit(Passage { evse: EvseId(1), act: raise }));
        let late = Act::Pass { connection: Epoch(7), seq: GrantSeq(9) };
        assert!(!fences.admit(Passage { evse: EvseId(1), act: late }));
    }
}
