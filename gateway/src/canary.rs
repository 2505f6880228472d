//! Does the store really commit? A small write every second says so; the door and readiness hang on it (reliability.md 2).
//!
//! A store without space takes the small write, which needs none, and nothing else. So what stations wait for is watched as well: as long as none
//! of it is taken the store is away, whatever the small write says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringmain_domain::telemetry;
use ringmain_store::store::Store;

use crate::clock;

const EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
/// A store that has not committed for longer is away.
pub const READY_WITHIN_MS: u64 = 3_000;
/// So long after facts were refused last they are tried again: nobody is let in meanwhile who would bring some. Longer than one attempt takes, or
/// the store would look well in the middle of it.
const REFUSED_FOR_MS: u64 = 10_000;
/// No facts are refused.
const NEVER: u64 = u64::MAX;

/// When the store last committed. Cheap to clone.
///
/// Counted on the monotonic clock: a wall clock that is set back must not make a dead store look alive.
#[derive(Debug, Clone)]
pub struct Canary {
    /// The moment from which `last_ms` counts; `None`: always ready.
    since: Option<Instant>,
    last_ms: Arc<AtomicU64>,
    refused: Arc<Refused>,
}

/// Facts that were not taken, by the same count.
#[derive(Debug)]
struct Refused {
    /// From when on all were; [`NEVER`] while they are taken.
    since_ms: AtomicU64,
    last_ms: AtomicU64,
}

impl Default for Refused {
    fn default() -> Self {
        Self { since_ms: AtomicU64::new(NEVER), last_ms: AtomicU64::default() }
    }
}

// === impl Canary ===

impl Canary {
    /// A canary that has just sung; [`Self::watch`] keeps it alive.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { since: Some(now), last_ms: Arc::default(), refused: Arc::default() }
    }

    /// A canary that always sings, for parts that are tested without a running node.
    #[must_use]
    pub fn fixed_ready() -> Self {
        Self { since: None, last_ms: Arc::default(), refused: Arc::default() }
    }

    /// Milliseconds since the store last committed.
    #[must_use]
    pub fn age_ms(&self, now: Instant) -> u64 {
        let Some(since) = self.since else { return 0 };
        millis(since, now).saturating_sub(self.last_ms.load(Ordering::Relaxed))
    }

    /// Does the store commit?
    #[must_use]
    pub fn is_ready(&self, now: Instant) -> bool {
        self.age_ms(now) <= READY_WITHIN_MS && !self.refuses_facts(now)
    }

    /// Facts that somebody waits for were taken, or not for want of a store that takes them.
    pub fn facts_tried(&self, now: Instant, taken: bool) {
        let Some(since) = self.since else { return };
        if taken {
            self.refused.since_ms.store(NEVER, Ordering::Relaxed);
            return;
        }
        let now_ms = millis(since, now);
        let forgotten = self.refused.last_ms.load(Ordering::Relaxed).saturating_add(REFUSED_FOR_MS) < now_ms;
        let first = self.refused.since_ms.load(Ordering::Relaxed);
        self.refused.last_ms.store(now_ms, Ordering::Relaxed);
        if first == NEVER || forgotten {
            self.refused.since_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    fn refuses_facts(&self, now: Instant) -> bool {
        let Some(since) = self.since else { return false };
        let (first, last) =
            (self.refused.since_ms.load(Ordering::Relaxed), self.refused.last_ms.load(Ordering::Relaxed));
        first != NEVER
            && last.saturating_sub(first) > READY_WITHIN_MS
            && millis(since, now).saturating_sub(last) <= REFUSED_FOR_MS
    }

    /// Writes every second, for ever.
    pub async fn watch(self, store: Store) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let begun = Instant::now();
            match tokio::time::timeout(PATIENCE, store.canary(clock::now())).await {
                Ok(Ok(())) => {
                    let at = self.since.map_or(0, |since| millis(since, begun));
                    if self.age_ms(begun) > READY_WITHIN_MS {
                        // It was away altogether, and is back: what it refused it may take now.
                        self.facts_tried(begun, true);
                    }
                    self.last_ms.store(at, Ordering::Relaxed);
                }
                Ok(Err(error)) => tracing::warn!(%error, "the store does not commit"),
                Err(_elapsed) => tracing::warn!("the store does not commit within {PATIENCE:?}"),
            }
            let age_s = f64::from(u32::try_from(self.age_ms(Instant::now())).unwrap_or(u32::MAX)) / 1000.0;
            metrics::gauge!(telemetry::STORE_CANARY_AGE).set(age_s);
        }
    }
}

fn millis(since: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(since).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_store_is_away_after_3_s() {
        let start = Instant::now();
        let canary = Canary::new(start);
        assert!(canary.is_ready(start + Duration::from_millis(3_000)));
        assert!(!canary.is_ready(start + Duration::from_millis(3_001)));
        assert!(Canary::fixed_ready().is_ready(start + Duration::from_secs(3_600)));
    }

    /// As with a full disk: the small write finds its place, facts do not.
    #[test]
    fn a_store_that_takes_no_facts_is_away_although_the_canary_sings() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let canary = Canary::new(start);
        let sing = |ms| canary.last_ms.store(ms, Ordering::Relaxed);
        for ms in [1_000, 2_500, 4_000] {
            sing(ms);
            canary.facts_tried(at(ms), false);
            assert!(canary.is_ready(at(ms)), "a moment's refusal is none: {ms}");
        }
        sing(4_001);
        canary.facts_tried(at(4_001), false);
        assert!(!canary.is_ready(at(4_001)));
        sing(14_001);
        assert!(!canary.is_ready(at(14_001)));
        sing(14_002);
        assert!(canary.is_ready(at(14_002)), "stations may try again");
        canary.facts_tried(at(15_000), false);
        sing(15_000);
        assert!(canary.is_ready(at(15_000)), "and have as long again");
        canary.facts_tried(at(19_000), false);
        sing(19_000);
        assert!(!canary.is_ready(at(19_000)));
        canary.facts_tried(at(19_100), true);
        assert!(canary.is_ready(at(19_100)), "one that is taken is enough");
    }
}
