//! When a partner may be called: a pace that all calls to it share, and for each lane by itself pauses after faults. Who cannot take bill
//! records hears of EVSE states at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringmain_domain::time::Timestamp;
use ringmain_store::partners::lanes::PartnerStanding;
use ringmain_store::partners::settings::PartnerSettings;
use tokio::time::Instant;

/// So many refusals without one success in between are no judgement of objects: the lane's receiver, or what stands before it, is out of
/// order.
const REFUSALS_IN_A_ROW: u32 = 10;

/// What all calls to one partner share: how many a second it takes, and how it went last.
#[derive(Debug)]
pub struct Pace {
    between: Duration,
    shared: Mutex<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The next call's turn.
    turn: Instant,
    /// Some lane pauses until then, and none has succeeded since that began.
    calm_at: Instant,
    standing: PartnerStanding,
    is_new: bool,
}

/// The breaker of one lane of a partner.
#[derive(Debug)]
pub struct Breaker {
    pauses: (Duration, Duration),
    pace: Arc<Pace>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// No call before.
    open_at: Instant,
    /// Faults in a row.
    faults: u32,
    /// Calls that succeeded, ever.
    successes: u64,
    /// Refusals for good since one succeeded.
    refusals: u32,
}

// === impl Pace ===

impl Pace {
    /// As it was settled with the partner.
    #[must_use]
    pub fn new(settings: &PartnerSettings) -> Self {
        let between = match settings.calls_per_s {
            0 => Duration::ZERO,
            calls => Duration::from_secs(1) / calls,
        };
        let now = Instant::now();
        let shared = Shared { turn: now, calm_at: now, standing: PartnerStanding::default(), is_new: false };
        Self { between, shared: Mutex::new(shared) }
    }

    /// Waits for a call's turn, for what does not hurry: not while a lane pauses, unless another one gets through.
    pub async fn wait_calm(&self) {
        loop {
            let calm_at = self.lock().calm_at;
            let until = if calm_at > Instant::now() { Err(calm_at) } else { self.turn() };
            match until {
                Ok(()) => return,
                Err(until) => tokio::time::sleep_until(until).await,
            }
        }
    }

    /// Takes a turn, or tells when to ask again.
    fn turn(&self) -> Result<(), Instant> {
        let mut shared = self.lock();
        let now = Instant::now();
        if shared.turn > now {
            return Err(shared.turn);
        }
        shared.turn = now + self.between;
        Ok(())
    }

    /// How it went since this was last asked; `None`: nothing new.
    #[must_use]
    pub fn take_standing(&self) -> Option<PartnerStanding> {
        let mut shared = self.lock();
        std::mem::take(&mut shared.is_new).then(|| std::mem::take(&mut shared.standing))
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Breaker ===

impl Breaker {
    /// Closed: calls go through. The pauses are the first and the longest.
    #[must_use]
    pub fn new(pauses: (Duration, Duration), pace: Arc<Pace>) -> Self {
        let state = State { open_at: Instant::now(), faults: 0, successes: 0, refusals: 0 };
        Self { pauses, pace, state: Mutex::new(state) }
    }

    /// Waits until a call may be made.
    pub async fn wait(&self) {
        while let Err(until) = self.turn() {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Until when no call is made, after a fault.
    #[must_use]
    pub fn pauses_until(&self) -> Option<Instant> {
        let open_at = self.lock().open_at;
        (open_at > Instant::now()).then_some(open_at)
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

    fn turn(&self) -> Result<(), Instant> {
        match self.pauses_until() {
            Some(until) => Err(until),
            None => self.pace.turn(),
        }
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
        drop(state);
        let mut shared = self.pace.lock();
        shared.calm_at = Instant::now();
        shared.standing.reached_at = Some(at);
        shared.is_new = true;
    }

    /// A call failed in a way that makes the whole lane wait: at least so long where the partner says so.
    pub fn failed(&self, at: Timestamp, reason: &str, retry_after: Option<Duration>) {
        let mut state = self.lock();
        let now = Instant::now();
        // Calls that were under way together fail together: that is one fault.
        if state.open_at <= now {
            state.faults = state.faults.saturating_add(1);
            let pause = pause(self.pauses, state.faults);
            state.open_at = now + retry_after.map_or(pause, |wait| wait.max(self.pauses.0));
        }
        let open_at = state.open_at;
        drop(state);
        let mut shared = self.pace.lock();
        shared.calm_at = shared.calm_at.max(open_at);
        drop(shared);
        self.noted(at, reason);
    }

    /// A call was refused for good; the partner is there.
    pub fn refused(&self, at: Timestamp, reason: &str) {
        self.noted(at, reason);
        let mut state = self.lock();
        state.refusals = state.refusals.saturating_add(1);
    }

    /// A call failed, and that is nobody else's business.
    pub fn noted(&self, at: Timestamp, reason: &str) {
        let mut shared = self.pace.lock();
        (shared.standing.failed_at, shared.standing.failure) = (Some(at), Some(reason.into()));
        shared.is_new = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
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

    fn pace(calls_per_s: u32) -> Arc<Pace> {
        Arc::new(Pace::new(&PartnerSettings { calls_per_s, ..PartnerSettings::default() }))
    }

    async fn waited(breaker: &Breaker) -> Duration {
        let start = Instant::now();
        breaker.wait().await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_the_longest_and_end_with_a_success() {
        let breaker = Breaker::new(PAUSES, pace(0));
        assert_eq!(waited(&breaker).await, Duration::ZERO);
        for expect in [1, 2, 4, 8, 16, 32, 60, 60] {
            breaker.failed(AT, "away", None);
            breaker.failed(AT, "away", None);
            let (low, high) = (Duration::from_secs(expect) / 2, Duration::from_secs(expect));
            let pause = waited(&breaker).await;
            assert!(pause >= low && pause <= high + Duration::from_millis(2), "{pause:?} for {expect} s");
        }
        assert!(breaker.is_doubtful());
        breaker.failed(AT, "busy", Some(Duration::from_secs(300)));
        assert!(waited(&breaker).await >= Duration::from_secs(300));
        breaker.succeeded(AT);
        assert!(!breaker.is_doubtful());
        breaker.failed(AT, "away", None);
        assert!(waited(&breaker).await <= Duration::from_millis(1_002));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_calls_a_second_than_the_partner_takes() {
        let pace = pace(10);
        let lanes = [Breaker::new(PAUSES, Arc::clone(&pace)), Breaker::new(PAUSES, pace)];
        let start = Instant::now();
        for call in 0..21 {
            lanes[call % 2].wait().await;
        }
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(2) && took < Duration::from_millis(2_100), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_pauses_by_itself_and_only_what_does_not_hurry_waits_with_it() {
        let pace = pace(0);
        let [bills, states] =
            [Breaker::new(PAUSES, Arc::clone(&pace)), Breaker::new(PAUSES, Arc::clone(&pace))];
        let start = Instant::now();
        bills.failed(AT, "busy", Some(Duration::from_secs(60)));
        assert_eq!((waited(&states).await, states.is_doubtful()), (Duration::ZERO, false));
        assert!(bills.pauses_until().is_some() && bills.is_doubtful());
        pace.wait_calm().await;
        assert!(start.elapsed() >= Duration::from_secs(60));
        // Another lane gets through: the partner is there, and the pause is the one lane's.
        bills.failed(AT, "busy", Some(Duration::from_secs(60)));
        states.succeeded(AT);
        let start = Instant::now();
        pace.wait_calm().await;
        assert_eq!((start.elapsed(), bills.successes(), states.successes()), (Duration::ZERO, 0, 1));
        assert!(waited(&bills).await >= Duration::from_secs(60));
    }

    #[test]
    fn whoever_refuses_everything_judges_nothing() {
        let breaker = Breaker::new(PAUSES, pace(0));
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
        let pace = pace(0);
        assert_eq!(pace.take_standing(), None);
        Breaker::new(PAUSES, Arc::clone(&pace)).refused(AT, "no");
        let standing = pace.take_standing().unwrap();
        assert_eq!((standing.failure.as_deref(), standing.reached_at), (Some("no"), None));
        assert_eq!(pace.take_standing(), None);
    }
}
