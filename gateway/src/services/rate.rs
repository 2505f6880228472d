//! How often somebody may do something: a token bucket for each key, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The most keys that are watched at a time; when there are more, those that have been idle longest start afresh.
const KEYS_MAX: usize = 4_096;

/// Limits how often each key may do something.
#[derive(Debug)]
pub struct RateLimiter<K> {
    burst: f64,
    per_second: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

/// What one key has left. Some callers keep their own: a connection of its peer.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    left: f64,
    at: Instant,
}

// === impl Bucket ===

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn new(burst: u32, now: Instant) -> Self {
        Self { left: f64::from(burst), at: now }
    }

    /// Takes one, if there is one left; it fills up by `per_second` to `burst`.
    pub fn take(&mut self, burst: f64, per_second: f64, now: Instant) -> bool {
        self.left = self.left(burst, per_second, now);
        self.at = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }

    fn left(&self, burst: f64, per_second: f64, now: Instant) -> f64 {
        let refilled = now.saturating_duration_since(self.at).as_secs_f64() * per_second;
        (self.left + refilled).min(burst)
    }
}

// === impl RateLimiter ===

impl<K: Hash + Eq + Clone> RateLimiter<K> {
    /// So many at once, then so many a second.
    #[must_use]
    pub fn new(burst: u32, per_second: f64) -> Self {
        Self { burst: f64::from(burst), per_second, buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes one, if there is one left.
    pub fn take(&self, key: &K, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= KEYS_MAX && !buckets.contains_key(key) {
            self.make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(key.clone()).or_insert(Bucket { left: self.burst, at: now });
        bucket.take(self.burst, self.per_second, now)
    }

    /// What was taken was not used. One whose bucket was dropped meanwhile has a full one anyway.
    pub fn give_back(&self, key: &K) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(key) {
            // Whatever is too much is cut off when it is next asked for.
            bucket.left += 1.0;
        }
    }

    fn left(&self, bucket: &Bucket, now: Instant) -> f64 {
        bucket.left(self.burst, self.per_second, now)
    }

    /// A full bucket is as good as none. If all are in use, the one idle longest goes.
    fn make_room(&self, buckets: &mut HashMap<K, Bucket>, now: Instant) {
        buckets.retain(|_, bucket| self.left(bucket, now) < self.burst);
        if buckets.len() >= KEYS_MAX {
            let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(key, _)| key.clone());
            oldest.map(|key| buckets.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let limiter = RateLimiter::new(2, 1.0);
        let start = Instant::now();
        assert!(limiter.take(&1, start));
        assert!(limiter.take(&1, start));
        assert!(!limiter.take(&1, start));
        assert!(limiter.take(&2, start), "another key has its own");
        assert!(limiter.take(&1, start + Duration::from_secs(1)));
        assert!(!limiter.take(&1, start + Duration::from_secs(1)));
    }

    #[test]
    fn what_was_given_back_can_be_taken_again_and_no_more() {
        let limiter = RateLimiter::new(2, 0.001);
        let start = Instant::now();
        limiter.give_back(&1);
        for _ in 0..3 {
            assert!(limiter.take(&1, start) && limiter.take(&1, start));
            assert!(!limiter.take(&1, start), "both are out");
            limiter.give_back(&1);
            limiter.give_back(&1);
        }
        limiter.give_back(&1);
        assert!(limiter.take(&1, start) && limiter.take(&1, start));
        assert!(!limiter.take(&1, start), "never more than the burst");
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = RateLimiter::new(1, 0.001);
        let start = Instant::now();
        for key in 0..KEYS_MAX + 10 {
            assert!(limiter.take(&key, start + Duration::from_millis(u64::try_from(key).unwrap())));
        }
        assert_eq!(limiter.buckets.lock().unwrap().len(), KEYS_MAX);
        assert!(!limiter.take(&(KEYS_MAX + 9), start), "the newest is still known");
    }
}
