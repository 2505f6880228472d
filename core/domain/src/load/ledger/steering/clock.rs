//! Our clock is set: what runs goes on for as long as it would have.
//!
//! A guard is a stretch of real time. Clocks of hosts and of databases are put right in one step, forward or back, and a node that follows
//! tells here by how much before anything else is heard at the new time: all that runs is moved along. Moments that a station knows, such as
//! the end of a grant, stay where they are.

use crate::load::ledger::steering::SteeringState;
use crate::load::ledger::steering::back_off::BackOff;
use crate::load::ledger::steering::seat::{Guard, Sample, Seat};
use crate::time::Timestamp;

impl SteeringState {
    /// Our clock was set by so many milliseconds, forward or back: what is heard from now on is heard at the new time.
    pub fn clock_moved(&mut self, by_ms: i64) {
        self.seats.iter_mut().for_each(|seat| seat.clock_moved(by_ms));
    }
}

impl Seat {
    fn clock_moved(&mut self, by_ms: i64) {
        let set = |at: &mut Timestamp| *at = at.plus_millis(by_ms);
        for Guard { from, over_at, .. } in &mut self.guards {
            set(from);
            set(over_at);
        }
        if let Some((_, at)) = &mut self.release {
            set(at);
        }
        if let Some((_, over_at)) = &mut self.fallback_guard {
            set(over_at);
        }
        if let Some(Sample { taken_at, .. }) = &mut self.sample {
            set(taken_at);
        }
        let BackOff { until, .. } = &mut self.back_off;
        let BackOff { until: fallback_until, .. } = &mut self.fallback_back_off;
        let single = [&mut self.silent_since, &mut self.raised_at, &mut self.fell_at, until, fallback_until];
        single.into_iter().flatten().for_each(set);
        // It was measured against the clock as it was: until it is measured again, no grant is taken to be over by its end.
        self.conduct.skew_ms = None;
    }
}
