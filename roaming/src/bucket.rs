//! How often somebody may come: a bucket that fills by itself.

use std::time::Instant;

/// What is left of so many at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    left: f64,
    at: Instant,
}

/// How many may come at once, and how many in each second after that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) at_once: f64,
    pub(crate) per_s: f64,
}

// === impl Bucket ===

impl Bucket {
    /// As if nobody had ever come.
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        Self { left: rate.at_once, at: now }
    }

    /// Is it as if nobody had ever come?
    pub(crate) fn is_full(&mut self, rate: Rate, now: Instant) -> bool {
        self.fill(rate, now);
        self.left >= rate.at_once
    }

    /// Takes one; otherwise after how many seconds there is one again.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), u32> {
        self.fill(rate, now);
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        // A cast of a float ends at the bounds of the type.
        Err((((1.0 - self.left) / rate.per_s).ceil() as u32).max(1))
    }

    fn fill(&mut self, rate: Rate, now: Instant) {
        let filled = now.duration_since(self.at).as_secs_f64() * rate.per_s;
        self.left = (self.left + filled).min(rate.at_once);
        self.at = now;
    }
}
