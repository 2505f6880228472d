//! Does the store really commit? A small write every second says so; the door and readiness hang on it (reliability.md 2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use ringmain_domain::telemetry;
use ringmain_domain::time::Timestamp;
use ringmain_store::store::Store;

use crate::clock;

const EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
/// A store that has not committed for longer is away.
pub const READY_WITHIN_MS: i64 = 3_000;

/// When the store last committed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Canary {
    last_ms: Arc<AtomicI64>,
    silent: Arc<AtomicBool>,
}

// === impl Canary ===

impl Canary {
    /// A canary that has just sung; [`Self::watch`] keeps it alive.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { last_ms: Arc::new(AtomicI64::new(now.as_millis())), silent: Arc::default() }
    }

    /// A canary that always sings, for parts that are tested without a running node.
    #[must_use]
    pub fn fixed_ready() -> Self {
        Self { last_ms: Arc::new(AtomicI64::new(i64::MAX)), silent: Arc::default() }
    }

    /// Milliseconds since the store last committed.
    #[must_use]
    pub fn age_ms(&self, now: Timestamp) -> i64 {
        now.as_millis().saturating_sub(self.last_ms.load(Ordering::Relaxed)).max(0)
    }

    /// Does the store commit?
    #[must_use]
    pub fn is_ready(&self, now: Timestamp) -> bool {
        self.age_ms(now) <= READY_WITHIN_MS
    }

    /// No more writes: the node closes its store, which is no outage.
    pub fn silence(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    /// Writes every second until it is silenced.
    pub async fn watch(self, store: Store) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            if self.silent.load(Ordering::Relaxed) {
                return;
            }
            let now = clock::now();
            match tokio::time::timeout(PATIENCE, store.canary(now)).await {
                Ok(Ok(())) => self.last_ms.store(now.as_millis(), Ordering::Relaxed),
                Ok(Err(error)) => tracing::warn!(%error, "the store does not commit"),
                Err(_elapsed) => tracing::warn!("the store does not commit within {PATIENCE:?}"),
            }
            let age_s = f64::from(u32::try_from(self.age_ms(clock::now())).unwrap_or(u32::MAX)) / 1000.0;
            metrics::gauge!(telemetry::STORE_CANARY_AGE).set(age_s);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_store_is_away_after_3_s() {
        let canary = Canary::new(Timestamp::from_millis(10_000));
        assert!(canary.is_ready(Timestamp::from_millis(13_000)));
        assert!(!canary.is_ready(Timestamp::from_millis(13_001)));
        assert!(Canary::fixed_ready().is_ready(clock::now()));
    }
}
