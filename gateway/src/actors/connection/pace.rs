//! How fast a peer may speak. Calls pace themselves: the next one waits for the answer to the last. What has no answer, and all that a
//! station says before it is accepted, has a rate; beyond it the socket closes.

use std::time::Instant;

use crate::services::rate::Bucket;

/// Frames out of turn (answers nobody waits for, repeats, texts that are no frames): so many at once, then so many a second.
const OUT_OF_TURN_BURST: u32 = 100;
const OUT_OF_TURN_PER_S: f64 = 10.0;
/// Frames of a station that is not accepted.
const STRANGER_BURST: u32 = 100;
const STRANGER_PER_S: f64 = 10.0;

/// What a peer has left.
#[derive(Debug)]
pub(super) struct Pace {
    out_of_turn: Bucket,
    stranger: Bucket,
}

// === impl Pace ===

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { out_of_turn: Bucket::new(OUT_OF_TURN_BURST, now), stranger: Bucket::new(STRANGER_BURST, now) }
    }

    /// May a station that is not accepted say one thing more?
    pub(super) fn stranger_may(&mut self, now: Instant) -> bool {
        self.stranger.take(f64::from(STRANGER_BURST), STRANGER_PER_S, now)
    }

    /// May anybody say one thing more that nothing paces?
    pub(super) fn out_of_turn_may(&mut self, now: Instant) -> bool {
        self.out_of_turn.take(f64::from(OUT_OF_TURN_BURST), OUT_OF_TURN_PER_S, now)
    }
}
