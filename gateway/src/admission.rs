//! How fast stations are let in: a storm of reconnects is spread over time instead of drowning those that are connected.
//!
//! Each that knocks gets its turn; whose turn would come too late is told to come back later (503 with `Retry-After`). Waiting costs a socket and
//! nothing else: nobody has asked the store for it yet.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest that anybody waits at the door for a turn.
pub const WAIT_MAX: Duration = Duration::from_secs(5);

/// Gives turns at a steady pace, a few at once.
#[derive(Debug)]
pub struct Admission {
    /// Time between two turns.
    pace: Duration,
    /// So much of the time that nobody came may be caught up with.
    burst: Duration,
    next: Mutex<Instant>,
}

// === impl Admission ===

impl Admission {
    /// So many a second, and a second's worth of them at once.
    #[must_use]
    pub fn per_second(turns: u32, now: Instant) -> Self {
        let burst = Duration::from_secs(1);
        Self { pace: burst / turns.max(1), burst, next: Mutex::new(now) }
    }

    /// How long to wait for one's turn, which is taken with this answer. `None`: it would come too late, and is not taken.
    pub fn turn(&self, now: Instant) -> Option<Duration> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(self.burst).unwrap_or(now);
        let turn = (*next).max(earliest);
        let wait = turn.saturating_duration_since(now);
        if wait > WAIT_MAX {
            return None;
        }
        *next = turn + self.pace;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_spread_and_its_tail_comes_back_later() {
        let now = Instant::now();
        let admission = Admission::per_second(100, now);
        let waits: Vec<_> = (0..2_000).map(|_| admission.turn(now)).collect();
        let at_once = waits.iter().filter(|wait| **wait == Some(Duration::ZERO)).count();
        assert_eq!(at_once, 1, "it has only just opened: nothing to catch up with");
        assert_eq!(waits[100], Some(Duration::from_secs(1)));
        let admitted = waits.iter().filter(|wait| wait.is_some()).count();
        assert_eq!(admitted, 501, "5 s of 100, and the one at the end of them");
        assert!(waits[501..].iter().all(Option::is_none));
        // Those who were refused took nothing: after the storm all is as before.
        let later = now + Duration::from_secs(60);
        let waits: Vec<_> = (0..102).map(|_| admission.turn(later)).collect();
        assert_eq!(waits[100], Some(Duration::ZERO), "a second's worth at once");
        assert!(waits[101] > Some(Duration::ZERO));
    }
}
