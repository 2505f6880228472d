//! Does the store really commit? A small write every second says so; the door and readiness hang on it (reliability.md 2).

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

/// When the store last committed. Cheap to clone.
///
/// Counted on the monotonic clock: a wall clock that is set back must not make a dead store look alive.
#[derive(Debug, Clone)]
pub struct Canary {
    /// The moment from which `last_ms` counts; `None`: always ready.
    since: Option<Instant>,
    last_ms: Arc<AtomicU64>,
}

// === impl Canary ===

impl Canary {
    /// A canary that has just sung; [`Self::watch`] keeps it alive.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { since: Some(now), last_ms: Arc::default() }
    }

    /// A canary that always sings, for parts that are tested without a running node.
    #[must_use]
    pub fn fixed_ready() -> Self {
        Self { since: None, last_ms: Arc::default() }
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
        self.age_ms(now) <= READY_WITHIN_MS
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
}
