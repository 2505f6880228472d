//! The database's clock, as a node knows it between two renewals of its lease: the one clock in which deadlines travel between nodes.
//!
//! The wall clocks of two machines may differ by a day, and what is left of a deadline says nothing to a node that was suspended with the
//! message in its hands.

/// An answer that took longer says too little of how late it is, in milliseconds.
pub const QUICK_MS: i64 = 500;
/// Of a deadline it is better than nothing, and than what is known of so long ago.
const LONG_AGO_MS: i64 = 30_000;

/// What the database said of its clock, and when it was asked. In milliseconds: its clock since 1970, the node's since boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatabaseClock {
    told: Option<(i64, i64)>,
}

// === impl DatabaseClock ===

impl DatabaseClock {
    /// The database was asked and has answered then, and said that it is so late.
    pub fn told(&mut self, (asked_at, answered_at): (i64, i64), database: i64) {
        let is_slow = answered_at.saturating_sub(asked_at) > QUICK_MS;
        if is_slow && self.told.is_some_and(|(known_at, _)| asked_at.saturating_sub(known_at) < LONG_AGO_MS) {
            return;
        }
        self.told = self.told.max(Some((asked_at, database)));
    }

    /// How late it is there now at most: it cannot have answered before it was asked. None before it ever answered.
    #[must_use]
    pub fn at_most(&self, now: i64) -> Option<i64> {
        let (asked_at, database) = self.told?;
        Some(database.saturating_add(now.saturating_sub(asked_at)))
    }

    /// Is this deadline of the database's clock over, as far as this node can know? Yes where it knows nothing.
    #[must_use]
    pub fn is_past(&self, deadline: i64, now: i64) -> bool {
        self.at_most(now).is_none_or(|latest| deadline <= latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_over_no_later_than_at_the_database() {
        let mut clock = DatabaseClock::default();
        assert!(clock.is_past(i64::MAX, 0), "nothing is known");
        // Asked at 1,000; the database said 500,000 at 1,020 at the latest.
        clock.told((1_000, 1_020), 500_000);
        assert_eq!(clock.at_most(1_020), Some(500_020));
        assert!(!clock.is_past(510_000, 10_999));
        assert!(clock.is_past(510_000, 11_000));
        clock.told((0, 10), 499_990);
        assert_eq!(clock.at_most(1_020), Some(500_020), "an answer that was overtaken");
    }

    #[test]
    fn a_slow_answer_counts_where_nothing_better_is_known() {
        let mut clock = DatabaseClock::default();
        clock.told((0, 5_000), 504_000);
        assert_eq!(clock.at_most(5_000), Some(509_000), "nothing else is known");
        clock.told((6_000, 6_010), 506_000);
        clock.told((9_000, 14_000), 514_000);
        assert_eq!(clock.at_most(14_000), Some(514_000), "the quick one is better");
        clock.told((36_000, 41_000), 541_000);
        assert_eq!(clock.at_most(41_000), Some(546_000), "the quick one is of long ago");
    }
}
