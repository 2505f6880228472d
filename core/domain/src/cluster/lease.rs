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
    /// When the registration was asked for from which on it went on without a gap.
    since: Option<i64>,
}

// === impl LeaseState ===

impl LeaseState {
    /// The database wrote a new lease; it was asked at this time. What was taken under an earlier one is not the node's any more.
    pub fn registered(&mut self, asked_at: i64) {
        self.since = Some(asked_at);
        self.renewed(asked_at);
    }

    /// The database renewed the lease; it was asked at this time.
    pub fn renewed(&mut self, asked_at: i64) {
        self.since = self.since.or(Some(asked_at));
        self.asked_at = self.asked_at.max(Some(asked_at));
    }

    /// The lease is gone: the database said so, or it was given back.
    pub const fn lost(&mut self) {
        self.asked_at = None;
        self.since = None;
    }

    /// May the node act on it now?
    #[must_use]
    pub fn is_held(&self, now: i64) -> bool {
        self.asked_at.is_some_and(|asked_at| now.saturating_sub(asked_at) < FENCE_AFTER_MS)
    }

    /// May the node act now on what it asked the database for at that time and got? Not after a gap: somebody else may have taken it since.
    #[must_use]
    pub fn covers(&self, asked_at: i64, now: i64) -> bool {
        self.is_held(now) && self.since.is_some_and(|since| since <= asked_at)
    }
}

/// May others take over what a node had, whose lease ends or ended then? Both by the database's clock, in milliseconds.
#[must_use]
pub const fn is_over(lease_until: i64, now: i64) -> bool {
    now.saturating_sub(lease_until) >= CLAIM_MARGIN_MS
}

/// Is another run at a node's address over, because this one listens there now? The one that started earlier is; by the node's own clock, in
/// milliseconds.
///
/// A registration that a killed run left behind in a busy database may be carried out after that of the next run, and must not bury it. A
/// clock that was set back between two runs does no harm: the earlier one's lease ends by itself.
#[must_use]
pub const fn is_earlier_run(other_started_at: i64, my_start: i64) -> bool {
    other_started_at < my_start
}

/// May the database renew this lease? Both by the database's clock, in milliseconds; none where the row is gone.
///
/// From the instant on at which others may take what the node had it has to register anew, whether or not anybody has cleared its row away:
/// a renewal would make it believe that all is as before.
#[must_use]
pub fn may_renew(lease_until: Option<i64>, now: i64) -> bool {
    lease_until.is_some_and(|until| !is_over(until, now))
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

    #[test]
    fn what_was_taken_under_an_earlier_lease_is_not_acted_on() {
        let mut lease = LeaseState::default();
        lease.registered(0);
        lease.renewed(3_000);
        assert!(lease.covers(1_000, 9_999));
        assert!(!lease.covers(1_000, 10_000), "it is over");
        lease.lost();
        lease.registered(20_000);
        assert!(lease.is_held(21_000));
        assert!(!lease.covers(1_000, 21_000), "somebody else may have it");
        assert!(lease.covers(20_000, 21_000));
    }

    #[test]
    fn a_late_registration_does_not_bury_the_run_that_lives() {
        assert!(is_earlier_run(1_000, 2_000));
        assert!(!is_earlier_run(2_000, 1_000) && !is_earlier_run(1_000, 1_000));
    }

    #[test]
    fn a_lease_is_renewed_until_others_may_take_over() {
        assert!(may_renew(Some(10_000), 11_999));
        assert!(!may_renew(Some(10_000), 12_000));
        assert!(!may_renew(None, 0));
    }
}
