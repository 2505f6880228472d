//! Is anybody there? A half-open socket is found by asking: 30 s of silence, a ping, 30 s more, a second ping, 10 s more, gone.
//! At most 75 s are wanted until the whole cluster knows (reliability.md 10), of which telling the others may take 3.

use crate::outcome::{Effect, Outcome};
use crate::time::Timestamp;

const PING_AFTER_MS: i64 = 30_000;
const LAST_WAIT_MS: i64 = 10_000;
const PINGS: u8 = 2;
/// How often "seen" is worth a row; the live picture knows better in between.
const RECORD_EVERY_MS: i64 = 300_000;

#[derive(Debug)]
pub(super) struct Liveness {
    deadline: Timestamp,
    unanswered: u8,
    recorded_at: Timestamp,
}

// === impl Liveness ===

impl Liveness {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { deadline: now.plus_millis(PING_AFTER_MS), unanswered: 0, recorded_at: now }
    }

    pub(super) const fn next_deadline(&self) -> Timestamp {
        self.deadline
    }

    /// The clock was set by so much: silence lasts as long as it would have.
    pub(super) const fn clock_moved(&mut self, by_ms: i64) {
        self.deadline = self.deadline.plus_millis(by_ms);
        self.recorded_at = self.recorded_at.plus_millis(by_ms);
    }

    /// Any frame proves life (1.6 4.6); some stations never answer a ping and live all the same.
    pub(super) const fn heard(&mut self, now: Timestamp) {
        self.unanswered = 0;
        self.deadline = now.plus_millis(PING_AFTER_MS);
    }

    pub(super) fn tick(&mut self, now: Timestamp) -> Outcome {
        if now < self.deadline {
            return Outcome::nothing();
        }
        if self.unanswered == PINGS {
            return Outcome::nothing().effect(Effect::CloseSilent);
        }
        self.unanswered += 1;
        let wait = if self.unanswered == PINGS { LAST_WAIT_MS } else { PING_AFTER_MS };
        self.deadline = now.plus_millis(wait);
        Outcome::nothing().effect(Effect::Ping)
    }

    pub(super) fn worth_recording(&mut self, now: Timestamp) -> bool {
        let due = now.millis_since(self.recorded_at) >= RECORD_EVERY_MS;
        if due {
            self.recorded_at = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_millis(s * 1000)
    }

    #[test]
    fn a_silent_socket_is_given_up_after_70_s() {
        let mut liveness = Liveness::new(at(0));
        let seen: Vec<_> = (0..=80)
            .flat_map(|s| liveness.tick(at(s)).effects.into_iter().map(move |e| (s, e)))
            .take(3)
            .collect();
        assert_eq!(seen, [(30, Effect::Ping), (60, Effect::Ping), (70, Effect::CloseSilent)]);
    }

    #[test]
    fn a_clock_that_is_set_makes_nobody_silent_and_hides_no_silence() {
        for by_s in [-86_400, 86_400] {
            let mut liveness = Liveness::new(at(0));
            assert_eq!(liveness.tick(at(30)).effects, [Effect::Ping]);
            liveness.clock_moved(by_s * 1000);
            assert!(liveness.tick(at(by_s + 59)).effects.is_empty(), "{by_s}");
            assert_eq!(liveness.tick(at(by_s + 60)).effects, [Effect::Ping], "{by_s}");
            assert_eq!(liveness.tick(at(by_s + 70)).effects, [Effect::CloseSilent], "{by_s}");
        }
    }

    #[test]
    fn any_frame_starts_the_wait_again() {
        let mut liveness = Liveness::new(at(0));
        assert_eq!(liveness.tick(at(30)).effects, [Effect::Ping]);
        liveness.heard(at(40));
        assert!(liveness.tick(at(69)).effects.is_empty());
        assert_eq!(liveness.tick(at(70)).effects, [Effect::Ping]);
    }
}
