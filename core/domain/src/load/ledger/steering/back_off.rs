//! How long a station is left alone after calls it refused or did not answer.

use crate::load::ledger::steering::Pace;
use crate::time::Timestamp;

/// Doublings of the wait after a failed call.
const DOUBLINGS_MAX: u8 = 5;

/// Of calls of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BackOff {
    /// Nothing is sent before.
    pub(super) until: Option<Timestamp>,
    /// Failures in a row.
    pub(super) failures: u8,
}

// === impl BackOff ===

impl BackOff {
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    pub(super) fn fail(&mut self, now: Timestamp, pace: &Pace) {
        let wait = pace.retry_ms.saturating_mul(1_i64 << self.failures.min(DOUBLINGS_MAX));
        self.until = Some(now.plus_millis(wait));
        self.failures = self.failures.saturating_add(1);
    }
}
