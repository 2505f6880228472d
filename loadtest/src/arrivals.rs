//! When something happens next, drawn from a seeded generator: arrivals, stays, outages.
//!
//! Never knows what happens; the same seed draws the same times.

use std::time::Duration;

use fastrand::Rng;

/// A range that values are drawn from, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

/// When the next driver comes to a free place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arrivals {
    /// Nobody comes by himself.
    None,
    /// After a pause of so many milliseconds.
    Pause(Range),
    /// At random with this mean gap: arrivals that know nothing of each other.
    Poisson { mean: Duration },
}

// === impl Range ===

impl Range {
    pub(crate) fn draw(self, rng: &mut Rng) -> u64 {
        rng.u64(self.min..=self.max.max(self.min))
    }

    /// A range of seconds, drawn to the millisecond.
    pub(crate) fn draw_s(self, rng: &mut Rng) -> Duration {
        Duration::from_millis(rng.u64(self.min * 1_000..=self.max.max(self.min) * 1_000))
    }
}

// === impl Arrivals ===

impl Arrivals {
    /// The gap until the next arrival.
    pub(crate) fn next(self, rng: &mut Rng) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Pause(range) => Some(range.draw_s(rng)),
            Self::Poisson { mean } => {
                // 1 - [0, 1) is never zero, so the logarithm is finite.
                let gap = mean.as_secs_f64() * -(1.0 - rng.f64()).ln();
                Some(Duration::from_secs_f64(gap.min(1e9)))
            }
        }
    }

    /// The gap until the first arrival: somewhere in the course of a usual one.
    pub(crate) fn first(self, rng: &mut Rng) -> Option<Duration> {
        self.next(rng).map(|gap| gap.mul_f64(rng.f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same() {
        let draw = |seed| {
            let mut rng = Rng::with_seed(seed);
            (0..10).map(|_| Range { min: 3, max: 9 }.draw(&mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!(draw(7).iter().all(|value| (3..=9).contains(value)));
    }

    #[test]
    fn random_arrivals_keep_their_mean() {
        let mut rng = Rng::with_seed(1);
        let arrivals = Arrivals::Poisson { mean: Duration::from_secs(60) };
        let sum: Duration = (0..20_000).filter_map(|_| arrivals.next(&mut rng)).sum();
        assert!((57..63).contains(&(sum.as_secs() / 20_000)), "{sum:?}");
        assert_eq!(Arrivals::None.next(&mut rng), None);
    }
}
