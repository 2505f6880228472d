//! What those notice of a case who have nothing to do with it: how commands reach the crowd before and meanwhile.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::orders::Try;
use super::report::Figure;
use super::scene::{Scene, percentile};

/// Commands to the crowd count as unaffected as long as their p99 at most doubles, or grows by so much.
const GROWTH: Duration = Duration::from_millis(250);
/// And so many of a hundred reach.
const REACH_PERCENT: usize = 99;

/// How it was before.
pub(super) struct Bystanders {
    p99: Duration,
}

// === impl Bystanders ===

impl Bystanders {
    /// Looks at commands for a while in which nothing happens.
    pub(super) async fn watch(scene: &Scene<'_>, span: Duration) -> Self {
        let since = Instant::now();
        sleep(span).await;
        Self { p99: p99(&scene.desk.tries(since).await) }
    }

    /// What became of commands since then.
    pub(super) async fn tell(&self, scene: &mut Scene<'_>, since: Instant) {
        let tries = scene.desk.tries(since).await;
        scene.figures.extend(figures(self.p99, &tries));
    }

    /// The same where the run's own half of the work weighs as much as the nodes': told, and held to nothing.
    pub(super) async fn mention(&self, scene: &mut Scene<'_>, since: Instant) {
        let told = figures(self.p99, &scene.desk.tries(since).await);
        scene.figures.extend(told.map(|figure| Figure::told(figure.what, figure.measured)));
    }
}

fn figures(before: Duration, tries: &[Try]) -> [Figure; 2] {
    let reached = tries.iter().filter(|one| one.has_reached()).count();
    let after = p99(tries);
    let told = format!("{} ms, {} ms", before.as_millis(), after.as_millis());
    [
        Figure::held(
            "commands to others that reach meanwhile",
            "≥ 99 %",
            format!("{reached} of {}", tries.len()),
            !tries.is_empty() && reached * 100 >= tries.len() * REACH_PERCENT,
        ),
        Figure::held(
            "their p99 before and meanwhile",
            "≤ 2x or + 250 ms",
            told,
            after <= (before * 2).max(before + GROWTH),
        ),
    ]
}

fn p99(tries: &[Try]) -> Duration {
    let mut spans: Vec<_> = tries.iter().filter(|one| one.has_reached()).map(|one| one.took).collect();
    percentile(&mut spans, 99)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(took_ms: u64, reached: usize, lost: usize) -> Vec<Try> {
        let one = |outcome: &str| Try {
            at: Instant::now(),
            took: Duration::from_millis(took_ms),
            outcome: outcome.to_owned(),
        };
        let reached = std::iter::repeat_n(one("accepted"), reached);
        reached.chain(std::iter::repeat_n(one("offline"), lost)).collect()
    }

    #[test]
    fn who_waits_longer_or_is_not_reached_is_affected() {
        let met = |took_ms, reached, lost| {
            let [share, p99] = figures(Duration::from_millis(100), &tries(took_ms, reached, lost));
            (share.met == Some(true), p99.met == Some(true))
        };
        assert_eq!(met(350, 99, 1), (true, true));
        assert_eq!(met(351, 99, 1), (true, false));
        assert_eq!(met(350, 98, 2), (false, true));
        assert_eq!(met(0, 0, 0), (false, true), "no command proves nothing");
        let [_, slow] = figures(Duration::from_millis(400), &tries(800, 1, 0));
        assert_eq!(slow.met, Some(true), "twice as long");
    }
}
