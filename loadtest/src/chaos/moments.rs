//! When whom to kill: moments drawn from a seed, spread so that no round goes by without a kill.

use std::time::Duration;

use fastrand::Rng;

/// Bounds of a gap in parts per thousand of the mean.
const GAP_PERMILLE: std::ops::RangeInclusive<u64> = 200..=1_800;

/// Whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Victim {
    Node,
    Postgres,
}

/// The kills of a round, in order.
pub(super) struct Moments {
    kills: std::vec::IntoIter<(Duration, Victim)>,
}

// === impl Moments ===

impl Moments {
    /// Kills within `round`: of the node every `every` in the mean, of PostgreSQL half as many.
    pub(super) fn draw(rng: &mut Rng, round: Duration, every: Duration, with_postgres: bool) -> Self {
        let mut kills: Vec<(Duration, Victim)> =
            moments(rng, round, every).into_iter().map(|after| (after, Victim::Node)).collect();
        if with_postgres {
            kills.extend(moments(rng, round, every * 2).into_iter().map(|after| (after, Victim::Postgres)));
        }
        kills.sort_unstable();
        Self { kills: kills.into_iter() }
    }
}

impl Iterator for Moments {
    type Item = (Duration, Victim);

    fn next(&mut self) -> Option<Self::Item> {
        self.kills.next()
    }
}

fn moments(rng: &mut Rng, round: Duration, every: Duration) -> Vec<Duration> {
    let mut moments = Vec::new();
    // A mean of nothing would never come to the end of the round.
    let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(10);
    let mut after = Duration::ZERO;
    loop {
        after += Duration::from_millis(every_ms.saturating_mul(rng.u64(GAP_PERMILLE)) / 1_000);
        if after >= round {
            return moments;
        }
        moments.push(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_kills_both_and_a_seed_repeats_it() {
        let draw = |seed| {
            let (round, every) = (Duration::from_secs(15), Duration::from_secs(4));
            Moments::draw(&mut Rng::with_seed(seed), round, every, true).collect::<Vec<_>>()
        };
        for seed in 0..1_000 {
            let kills = draw(seed);
            let of = |victim| kills.iter().filter(|(_, killed)| *killed == victim).count();
            assert!(of(Victim::Node) >= 2 && of(Victim::Postgres) >= 1, "{seed}: {kills:?}");
            assert!(kills.is_sorted() && kills.iter().all(|(after, _)| *after < Duration::from_secs(15)));
        }
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
