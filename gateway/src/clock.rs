//! The one place that asks what time it is.
//!
//! A node reads its machine's wall clock once and counts on from there by the time since boot, a suspended machine's sleep included: a wall clock
//! that is set, or wrong, must not end commands a day early, keep silent stations for an hour, or stamp bills with another day. What keeps it right
//! is the store's clock, the one that all nodes of a cluster share: whenever a lease is renewed it is compared, and followed where the two
//! are more than a second apart. Such a step comes all at once, forward or back, since the store's host may be another one after a failover. So
//! what must last for a stretch of real time, as guards of a site's grants do, asks with each [`reading`] whether the clock was set since.

use std::sync::atomic::{AtomicI64, Ordering};

use ringmain_domain::cluster::clock::QUICK_MS;
use ringmain_domain::time::Timestamp;

use crate::cluster::lease::since_boot_ms;

/// So far apart the two clocks may be, in milliseconds; below it a correction would do more harm than good.
const APART_MS: i64 = 1_000;
/// Nobody has asked yet.
const UNSET: i64 = i64::MIN;

/// Milliseconds in UTC less milliseconds since boot.
static AHEAD_OF_BOOT_MS: AtomicI64 = AtomicI64::new(UNSET);

/// What the clock shows, and how it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Now, in UTC.
    pub now: Timestamp,
    /// How far it is ahead of the time since boot, in milliseconds: two readings with the same setting are as far apart as they seem.
    pub ahead_ms: i64,
}

/// How the clock was set when somebody last looked who lets things run for a stretch of real time.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    ahead_ms: i64,
}

// === impl Setting ===

impl Setting {
    /// As it is in this reading.
    #[must_use]
    pub const fn of(reading: Reading) -> Self {
        Self { ahead_ms: reading.ahead_ms }
    }

    /// By how much the clock was set since the last reading, in milliseconds: what runs is moved along by as much before anything happens at
    /// this one.
    pub const fn follow(&mut self, reading: Reading) -> Option<i64> {
        let by_ms = reading.ahead_ms.saturating_sub(self.ahead_ms);
        self.ahead_ms = reading.ahead_ms;
        if by_ms == 0 { None } else { Some(by_ms) }
    }
}

/// Now, in UTC.
#[must_use]
pub fn now() -> Timestamp {
    reading().now
}

/// Now, and how the clock is set.
#[must_use]
pub fn reading() -> Reading {
    let ahead_ms = ahead();
    Reading { now: Timestamp::from_millis(since_boot_ms().saturating_add(ahead_ms)), ahead_ms }
}

/// The store was asked at this time since boot, has answered just now, and said that it is so late there; all in milliseconds.
pub fn told(asked_at_ms: i64, store_ms: i64) {
    let before = ahead();
    let Some(ahead) = judge(before, (asked_at_ms, since_boot_ms()), store_ms) else { return };
    AHEAD_OF_BOOT_MS.store(ahead, Ordering::Relaxed);
    let by_ms = ahead.saturating_sub(before);
    tracing::info!(by_ms, "the clock of this node follows the clock of its store");
}

fn ahead() -> i64 {
    let known = AHEAD_OF_BOOT_MS.load(Ordering::Relaxed);
    if known != UNSET {
        return known;
    }
    let wall = jiff::Timestamp::now().as_millisecond().saturating_sub(since_boot_ms());
    // Of two threads that ask first both go on with the same.
    match AHEAD_OF_BOOT_MS.compare_exchange(UNSET, wall, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => wall,
        Err(first) => first,
    }
}

/// How far ahead of the boot clock it is from now on, where that changes. The store looked at its clock between question and answer.
fn judge(ahead: i64, (asked_at, answered_at): (i64, i64), store: i64) -> Option<i64> {
    if answered_at.saturating_sub(asked_at) > QUICK_MS {
        return None;
    }
    let least = store.saturating_sub(answered_at);
    let most = store.saturating_sub(asked_at);
    let is_near = (least.saturating_sub(APART_MS)..=most.saturating_add(APART_MS)).contains(&ahead);
    (!is_near).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_far_off_follows_the_store() {
        // Asked at 10,000 and answered at 10,100 since boot; the store says 500,000.
        let asked = (10_000, 10_100);
        for near in [490_000, 489_900, 491_000, 488_900] {
            assert_eq!(judge(near, asked, 500_000), None, "{near}");
        }
        for far in [491_001, 488_899, 490_000 - 3_600_000, 490_000 + 86_400_000] {
            assert_eq!(judge(far, asked, 500_000), Some(490_000), "{far}");
        }
    }

    #[test]
    fn an_answer_that_took_long_says_nothing() {
        assert_eq!(judge(0, (10_000, 10_500), 500_000), Some(490_000));
        assert_eq!(judge(0, (10_000, 10_501), 500_000), None);
    }

    /// Whatever the clock did, what is moved along by what is told ends when it would have by the time since boot.
    #[test]
    fn what_follows_the_clock_lasts_as_long_as_it_would_have() {
        let reading = |since_boot_ms: i64, ahead_ms: i64| Reading {
            now: Timestamp::from_millis(since_boot_ms + ahead_ms),
            ahead_ms,
        };
        let begun = reading(1_000, 500_000);
        let (mut setting, mut ends_at) = (Setting::of(begun), begun.now.plus_millis(40_000));
        for (since_boot_ms, ahead_ms) in [
            (2_000, 500_000),
            (3_000, 545_000),
            (9_000, 545_000),
            (10_000, 545_000 - 3_600_000),
            (40_000, 510_000),
        ] {
            let reading = reading(since_boot_ms, ahead_ms);
            let before = setting.ahead_ms;
            let moved = setting.follow(reading);
            assert_eq!(moved.is_some(), before != ahead_ms);
            ends_at = ends_at.plus_millis(moved.unwrap_or(0));
            assert_eq!(ends_at.millis_since(reading.now), 41_000 - since_boot_ms);
        }
    }

    #[test]
    fn it_is_the_time_of_this_machine_that_nobody_has_corrected() {
        let apart_ms = now().millis_since(Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()));
        assert!(apart_ms.abs() <= APART_MS, "{apart_ms} ms");
    }
}
