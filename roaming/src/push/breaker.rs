//! What the lanes of one partner share: its pace, its pauses after faults, and how it went last.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ringmain_domain::time::Timestamp;
use ringmain_store::partners::lanes::PartnerStanding;
use ringmain_store::partners::settings::PartnerSettings;
use tokio::time::Instant;

/// So many refusals without one success in between are no judgement of objects: the partner, or what stands before it, is out of order.
const REFUSALS_IN_A_ROW: u32 = 10;

/// The breaker of one partner.
#[derive(Debug)]
pub struct Breaker {
    pauses: (Duration, Duration),
    between: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// No call before.
    open_at: Instant,
    /// Faults in a row.
    faults: u32,
    /// The next call's turn.
    turn: Instant,
    /// Calls that succeeded, ever.
    successes: u64,
    /// Refusals for good since one succeeded.
    refusals: u32,
    standing: PartnerStanding,
    is_new: bool,
}

// === impl Breaker ===

impl Breaker {
    /// Closed: calls go through. The pauses are the first and the longest.
    #[must_use]
    pub fn new(pauses: (Duration, Duration), settings: &PartnerSettings) -> Self {
        let between = match settings.calls_per_s {
            0 => Duration::ZERO,
            calls => Duration::from_secs(1) / calls,
        };
        let now = Instant::now();
        let state = State {
            open_at: now,
            faults: 0,
            turn: now,
            successes: 0,
            refusals: 0,
            standing: PartnerStanding::default(),
            is_new: false,
        };
        Self { pauses, between, state: Mutex::new(state) }
    }

    /// Waits until a call may be made.
    pub async fn wait(&self) {
        while let Err(until) = self.turn() {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Waits until no pause after a fault stands before the next call.
    pub async fn until_closed(&self) {
        loop {
            let open_at = self.lock().open_at;
            if open_at <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(open_at).await;
        }
    }

    /// How many calls have succeeded.
    #[must_use]
    pub fn successes(&self) -> u64 {
        self.lock().successes
    }

    /// Has it refused so many in a row that it must be something else than the objects?
    #[must_use]
    pub fn refuses_all(&self) -> bool {
        self.lock().refusals >= REFUSALS_IN_A_ROW
    }

    /// Takes a turn, or tells when to ask again.
    fn turn(&self) -> Result<(), Instant> {
        let mut state = self.lock();
        let now = Instant::now();
        if state.open_at > now {
            return Err(state.open_at);
        }
        if state.turn > now {
            return Err(state.turn);
        }
        state.turn = now + self.between;
        Ok(())
    }

    /// Has it failed last, so that one call at a time tries whether it is back?
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.lock().faults > 0
    }

    /// A call was answered.
    pub fn succeeded(&self, at: Timestamp) {
        let mut state = self.lock();
        (state.faults, state.refusals) = (0, 0);
        state.successes += 1;
        state.standing.reached_at = Some(at);
        state.is_new = true;
    }

    /// A call failed in a way that makes all others wait: at least so long where the partner says so.
    pub fn failed(&self, at: Timestamp, reason: &str, retry_after: Option<Duration>) {
        let mut state = self.lock();
        let now = Instant::now();
        // Calls that were under way together fail together: that is one fault.
        if state.open_at <= now {
            state.faults = state.faults.saturating_add(1);
            let pause = pause(self.pauses, state.faults);
            state.open_at = now + retry_after.map_or(pause, |wait| wait.max(self.pauses.0));
        }
        state.standing.failed_at = Some(at);
        state.standing.failure = Some(reason.into());
        state.is_new = true;
    }

    /// A call was refused for good; the partner is there.
    pub fn refused(&self, at: Timestamp, reason: &str) {
        self.noted(at, reason);
        let mut state = self.lock();
        state.refusals = state.refusals.saturating_add(1);
    }

    /// A call failed, and that is nobody else's business.
    pub fn noted(&self, at: Timestamp, reason: &str) {
        let mut state = self.lock();
        (state.standing.failed_at, state.standing.failure) = (Some(at), Some(reason.into()));
        state.is_new = true;
    }

    /// How it went since this was last asked; `None`: nothing new.
    #[must_use]
    pub fn take_standing(&self) -> Option<PartnerStanding> {
        let mut state = self.lock();
        std::mem::take(&mut state.is_new).then(|| std::mem::take(&mut state.standing))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Twice as long after each fault, up to the longest; half of it is left to chance, so that partners behind one front do not come back
/// together.
pub(crate) fn pause((first, longest): (Duration, Duration), faults: u32) -> Duration {
    let doubled =
        first.saturating_mul(1_u32.checked_shl(faults.saturating_sub(1).min(20)).unwrap_or(u32::MAX));
    doubled.min(longest).mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
    const AT: Timestamp = Timestamp::from_millis(1);

    fn settings(calls_per_s: u32) -> PartnerSettings {
        PartnerSettings { calls_per_s, ..PartnerSettings::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_the_longest_and_end_with_a_success() {
        let breaker = Breaker::new(PAUSES, &settings(0));
        let waited = async || {
            let start = Instant::now();
            breaker.wait().await;
            start.elapsed()
        };
        assert_eq!(waited().await, Duration::ZERO);
        for expect in [1, 2, 4, 8, 16, 32, 60, 60] {
            breaker.failed(AT, "away", None);
            breaker.failed(AT, "away", None);
            let (low, high) = (Duration::from_secs(expect) / 2, Duration::from_secs(expect));
            let pause = waited().await;
            assert!(pause >= low && pause <= high + Duration::from_millis(2), "{pause:?} for {expect} s");
        }
        assert!(breaker.is_doubtful());
        breaker.failed(AT, "busy", Some(Duration::from_secs(300)));
        assert!(waited().await >= Duration::from_secs(300));
        breaker.succeeded(AT);
        assert!(!breaker.is_doubtful());
        breaker.failed(AT, "away", None);
        assert!(waited().await <= Duration::from_millis(1_002));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_calls_a_second_than_the_partner_takes() {
        let breaker = Breaker::new(PAUSES, &settings(10));
        let start = Instant::now();
        for _ in 0..21 {
            breaker.wait().await;
        }
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(2) && took < Duration::from_millis(2_100), "{took:?}");
    }

    #[test]
    fn whoever_refuses_everything_judges_nothing() {
        let breaker = Breaker::new(PAUSES, &settings(0));
        for _ in 1..REFUSALS_IN_A_ROW {
            breaker.refused(AT, "404");
        }
        assert!(!breaker.refuses_all());
        breaker.refused(AT, "404");
        assert!(breaker.refuses_all() && !breaker.is_doubtful());
        breaker.succeeded(AT);
        assert_eq!((breaker.refuses_all(), breaker.successes()), (false, 1));
    }

    #[test]
    fn a_standing_is_told_once() {
        let breaker = Breaker::new(PAUSES, &settings(0));
        assert_eq!(breaker.take_standing(), None);
        breaker.refused(AT, "no");
        let standing = breaker.take_standing().unwrap();
        assert_eq!((standing.failure.as_deref(), standing.reached_at), (Some("no"), None));
        assert_eq!(breaker.take_standing(), None);
    }
}
