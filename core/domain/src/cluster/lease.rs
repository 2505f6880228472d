//! A node's lease: others see it by the database's clock, the node itself by its own clock of time since boot, which counts a suspended
//! machine's sleep.
//!
//! The node counts from before it asked, and gives up before the others may begin: whatever the clocks of the machines say, at no instant
//! do two nodes act on the same lease (reliability.md 6).

/// How long a lease lasts from the moment the database renews it, in milliseconds.
pub const LEASE_MS: i64 = 10_000;
/// How often it is renewed, in milliseconds.
pub const RENEW_EVERY_MS: i64 = 3_000;
/// A node stops acting on its lease so long after the start of its last successful renewal, in milliseconds.
pub const FENCE_AFTER_MS: i64 = 7_000;
/// Others take over so long after the lease ended, by the database's clock, in milliseconds.
pub const CLAIM_MARGIN_MS: i64 = 2_000;

/// What a node knows of its own lease. Times are milliseconds since boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaseState {
    asked_at: Option<i64>,
}

// === impl LeaseState ===

impl LeaseState {
    /// The database renewed the lease; it was asked at this time.
    pub fn renewed(&mut self, asked_at: i64) {
        self.asked_at = self.asked_at.max(Some(asked_at));
    }

    /// The lease is gone: the database said so, or it was given back.
    pub const fn lost(&mut self) {
        self.asked_at = None;
    }

    /// May the node act on it now?
    #[must_use]
    pub fn is_held(&self, now: i64) -> bool {
        self.asked_at.is_some_and(|asked_at| now.saturating_sub(asked_at) < FENCE_AFTER_MS)
    }
}

/// May others take over what a node had, whose lease ends or ended then? Both by the database's clock, in milliseconds.
#[must_use]
pub const fn is_over(lease_until: i64, now: i64) -> bool {
    now.saturating_sub(lease_until) >= CLAIM_MARGIN_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_gives_up_before_others_may_begin() {
        // The answer to a renewal that was asked for at 0 may have been given at any later time: the lease ends 10 s after that at the
        // earliest 10 s after the question.
        let mut lease = LeaseState::default();
        assert!(!lease.is_held(0), "nobody gave it one");
        lease.renewed(0);
        assert!(lease.is_held(FENCE_AFTER_MS - 1));
        assert!(!lease.is_held(FENCE_AFTER_MS));
        assert!(!is_over(LEASE_MS, LEASE_MS + CLAIM_MARGIN_MS - 1));
        assert!(is_over(LEASE_MS, LEASE_MS + CLAIM_MARGIN_MS));
        const { assert!(FENCE_AFTER_MS < LEASE_MS + CLAIM_MARGIN_MS) };
    }

    #[test]
    fn an_answer_that_overtook_another_takes_nothing_back() {
        let mut lease = LeaseState::default();
        lease.renewed(3_000);
        lease.renewed(0);
        assert!(lease.is_held(9_999));
        lease.lost();
        assert!(!lease.is_held(3_001));
    }
}
