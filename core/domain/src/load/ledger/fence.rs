//! The last check before the wire: a connection sends a grant only if its sequence is higher than all it may have sent before (G3).

use crate::id::{Epoch, GrantSeq};

/// One EVSE's fence, held by the connection and by nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    connection: Epoch,
    last: GrantSeq,
}

// === impl Fence ===

impl Fence {
    /// Of a new connection. `last` is the highest sequence in the ledger, read after the connection's epoch was given out: what was
    /// opened before it is never sent over it, only issued again.
    #[must_use]
    pub const fn reloaded(connection: Epoch, last: GrantSeq) -> Self {
        Self { connection, last }
    }

    /// The highest sequence that may have been sent.
    #[must_use]
    pub const fn last(&self) -> GrantSeq {
        self.last
    }

    /// May this grant be sent? If so it counts as sent from now on, whatever becomes of it.
    pub fn pass(&mut self, connection: Epoch, seq: GrantSeq) -> bool {
        let passes = connection == self.connection && seq > self.last;
        if passes {
            self.last = seq;
        }
        passes
    }

    /// May something be sent that knows of all grants up to this one? Not after a newer one. If so, nothing up to it is sent any more.
    pub fn follow(&mut self, seq: GrantSeq) -> bool {
        let follows = seq >= self.last;
        if follows {
            self.last = seq;
        }
        follows
    }

    /// Nothing up to this sequence is sent any more: asked for before the grants of a transaction that is over are closed (G6).
    pub fn raise(&mut self, seq: GrantSeq) {
        self.last = self.last.max(seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delayed_older_raise_does_not_overtake_a_newer_lower() {
        let mut fence = Fence::reloaded(Epoch(3), GrantSeq(4));
        let sent: Vec<_> = [(3, 6), (3, 5), (3, 6), (3, 7), (2, 8), (3, 8)]
            .map(|(connection, seq)| fence.pass(Epoch(connection), GrantSeq(seq)))
            .into();
        assert_eq!(sent, [true, false, false, true, false, true]);
    }

    #[test]
    fn a_raised_fence_stops_what_was_never_sent() {
        let mut fence = Fence::reloaded(Epoch(1), GrantSeq(1));
        fence.raise(GrantSeq(5));
        fence.raise(GrantSeq(2));
        assert!(!fence.pass(Epoch(1), GrantSeq(5)));
        assert_eq!(fence.last(), GrantSeq(5));
    }

    #[test]
    fn what_follows_a_grant_is_held_back_by_a_newer_one() {
        let mut fence = Fence::reloaded(Epoch(1), GrantSeq(4));
        assert!(fence.follow(GrantSeq(4)), "nothing newer was sent");
        assert!(fence.follow(GrantSeq(6)));
        assert!(!fence.pass(Epoch(1), GrantSeq(6)), "it follows that one");
        assert!(fence.pass(Epoch(1), GrantSeq(7)));
        assert!(!fence.follow(GrantSeq(6)), "a newer one was sent");
    }
}
