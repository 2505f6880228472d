//! How late a station's samples are, and how far its clock is off: only the age of its samples tells, and that is the sum of both.
//!
//! A late sample must not be taken for a new one, nor may a slow clock make all samples late. So the smallest age that was seen for a
//! while is taken for the clock; a clock that is ahead shows at once, because nothing is measured before it happens.

use crate::time::Timestamp;

/// A clock counts as slow when no sample was younger for so long, milliseconds.
pub const WINDOW_MS: i64 = 600_000;

/// What the ages of one station's samples say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    window: Option<Window>,
    /// The smallest age in the window before, milliseconds.
    before_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    since: Timestamp,
    smallest_ms: i64,
}

// === impl Lag ===

impl Lag {
    /// Our clock was set by so many milliseconds: by so much more, or less, the station's is slow from now on.
    pub fn clock_moved(&mut self, by_ms: i64) {
        let Some(Window { since, smallest_ms }) = self.window else { return };
        let window =
            Window { since: since.plus_millis(by_ms), smallest_ms: smallest_ms.saturating_add(by_ms) };
        self.window = Some(window);
        self.before_ms = Some(self.before_ms.unwrap_or(0).saturating_add(by_ms));
    }

    /// When a sample was taken, on our clock: it says `said`, and came at `now`.
    pub fn taken_at(&mut self, now: Timestamp, said: Timestamp) -> Timestamp {
        let age_ms = now.millis_since(said);
        let window = match self.window {
            Some(window) if now.millis_since(window.since) < WINDOW_MS => {
                Window { smallest_ms: window.smallest_ms.min(age_ms), ..window }
            }
            over => {
                self.before_ms = over.map(|window| window.smallest_ms);
                Window { since: now, smallest_ms: age_ms }
            }
        };
        self.window = Some(window);
        let clock_ms = window.smallest_ms.min(self.before_ms.unwrap_or(0));
        said.plus_millis(clock_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    #[test]
    fn a_late_sample_is_old_and_a_prompt_one_is_not() {
        let mut lag = Lag::default();
        assert_eq!(lag.taken_at(at(100), at(99)), at(99));
        assert_eq!(lag.taken_at(at(400), at(160)), at(160), "it waited four minutes");
        assert_eq!(lag.taken_at(at(401), at(400)), at(400));
    }

    #[test]
    fn a_fast_clock_is_seen_at_once() {
        let mut lag = Lag::default();
        assert_eq!(lag.taken_at(at(100), at(190)), at(100));
        assert_eq!(lag.taken_at(at(130), at(200)), at(110), "ahead by 90 s and late by 20 s");
    }

    /// Otherwise a late sample would be taken for a new one after a step back.
    #[test]
    fn a_step_of_our_clock_makes_no_late_sample_a_prompt_one() {
        for by_s in [-3_600, -45, 45, 3_600] {
            let mut lag = Lag::default();
            assert_eq!(lag.taken_at(at(100), at(100)), at(100));
            lag.clock_moved(by_s * 1_000);
            let ours = |second: i64| at(second + by_s);
            assert_eq!(lag.taken_at(ours(140), at(110)), ours(110), "by {by_s} s: it waited 30 s");
            assert_eq!(lag.taken_at(ours(150), at(150)), ours(150), "by {by_s} s");
        }
    }

    #[test]
    fn a_slow_clock_is_believed_after_a_while() {
        let mut lag = Lag::default();
        let slow = |second: i64| at(second - 3_600);
        assert_eq!(lag.taken_at(at(0), slow(0)), slow(0), "an hour late, or an hour slow?");
        for second in (60..600).step_by(60) {
            assert_eq!(lag.taken_at(at(second), slow(second)), slow(second));
        }
        assert_eq!(lag.taken_at(at(600), slow(600)), at(600));
        assert_eq!(lag.taken_at(at(660), slow(630)), at(630), "late as well");
    }
}
