//! How many calls a second a partner may make: a bucket for each that fills by itself; and that it called, told once a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::bucket::{Bucket, Rate};

/// How often it is written down that a partner calls.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// How many seconds' calls may come at once.
const BURST_S: f64 = 5.0;

/// The buckets of all partners. There are as many as partners.
#[derive(Debug, Default)]
pub struct Limits {
    callers: Mutex<HashMap<Uuid, Caller>>,
}

#[derive(Debug, Default)]
struct Caller {
    /// Absent before its first call that counts.
    bucket: Option<Bucket>,
    /// When it was last written down that the partner calls.
    noted_at: Option<Instant>,
}

// === impl Limits ===

impl Limits {
    /// Takes one call of a partner that may make so many a second; otherwise after how many seconds it may come again. 0 is no limit.
    ///
    /// # Errors
    /// Seconds to wait, at least 1.
    pub fn take(&self, partner: Uuid, per_s: u32, now: Instant) -> Result<(), u32> {
        if per_s == 0 {
            return Ok(());
        }
        let per_s = f64::from(per_s);
        let rate = Rate { at_once: per_s * BURST_S, per_s };
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = callers.entry(partner).or_default();
        caller.bucket.get_or_insert_with(|| Bucket::full(rate, now)).take(rate, now)
    }

    /// Is it time to write down that a partner calls? For each at most once in `NOTED_EVERY`.
    pub fn is_worth_a_note(&self, partner: Uuid, now: Instant) -> bool {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = callers.entry(partner).or_default();
        let is_due = caller.noted_at.is_none_or(|noted| now.duration_since(noted) >= NOTED_EVERY);
        if is_due {
            caller.noted_at = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partner_takes_nothing_from_another() {
        let (limits, start) = (Limits::default(), Instant::now());
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for _ in 0..10 {
            assert_eq!(limits.take(one, 2, start), Ok(()));
        }
        assert_eq!(limits.take(one, 2, start), Err(1));
        assert_eq!(limits.take(other, 2, start), Ok(()));
        let later = start + Duration::from_millis(500);
        assert_eq!((limits.take(one, 2, later), limits.take(one, 2, later)), (Ok(()), Err(1)));
        assert_eq!(limits.take(one, 0, start), Ok(()));
        let note = |at| limits.is_worth_a_note(one, at);
        assert_eq!((note(start), note(start), note(start + NOTED_EVERY)), (true, false, true));
    }
}
