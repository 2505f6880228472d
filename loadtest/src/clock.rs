//! The one place that asks what time it is: the runtime's clock for spans, the wall clock for what goes on the wire.
//!
//! Both run together from one origin, so a paused runtime also pauses the timestamps, and a test of an hour takes no time.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::unit::Moment;

/// Tells the time of a run; cheap to copy, the same for all stations of a crowd.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    wall: Timestamp,
}

/// An instant in UTC milliseconds since 1970, as charging schedules and timestamps name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utc(pub i64);

// === impl Clock ===

impl Clock {
    /// A clock whose first moment is now. Must be made inside a tokio runtime.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now(), wall: Timestamp::now() }
    }

    /// The same clock, whose hands are off by so many seconds: spans are as long as before.
    #[must_use]
    pub fn off_by(self, seconds: i64) -> Self {
        let off = jiff::SignedDuration::from_secs(seconds);
        Self { wall: self.wall.saturating_add(off).unwrap_or(self.wall), ..self }
    }

    /// The present moment of the run.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::default().plus(self.origin.elapsed())
    }

    /// The moment of an instant of the runtime; the first one where it lies before.
    #[must_use]
    pub fn moment(&self, at: Instant) -> Moment {
        Moment::default().plus(at.saturating_duration_since(self.origin))
    }

    /// The runtime's instant of a moment, for timers.
    #[must_use]
    pub fn instant(&self, at: Moment) -> Instant {
        self.origin + at.since(Moment::default())
    }

    /// A moment in UTC.
    #[must_use]
    pub fn utc(&self, at: Moment) -> Utc {
        let offset_ms = i64::try_from(at.micros() / 1_000).unwrap_or(i64::MAX);
        Utc(self.wall.as_millisecond().saturating_add(offset_ms))
    }

    /// A moment as it is written on the wire: RFC 3339, UTC, milliseconds, `Z`.
    #[must_use]
    pub fn stamp(&self, at: Moment) -> String {
        self.utc(at).stamp()
    }
}

// === impl Utc ===

impl Utc {
    /// Reads RFC 3339 with any offset and any fraction; `None` for anything else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(|at| Self(at.as_millisecond()))
    }

    /// RFC 3339, UTC, milliseconds, `Z`. Instants outside years 1 to 9999 show as the epoch.
    #[must_use]
    pub fn stamp(self) -> String {
        let at = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        format!("{at:.3}")
    }

    /// This instant moved by a number of seconds.
    #[must_use]
    pub fn plus_s(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000)))
    }

    /// This instant moved by a span.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_stamps_the_time_that_was_skipped() {
        let clock = Clock::start();
        let before = clock.utc(clock.now());
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(clock.utc(clock.now()), before.plus_s(3_600));
        assert_eq!(clock.instant(clock.now()), Instant::now());
    }

    #[tokio::test]
    async fn a_wrong_clock_runs_as_fast() {
        let clock = Clock::start();
        let wrong = clock.off_by(-600);
        let now = clock.now();
        assert_eq!(wrong.utc(now), clock.utc(now).plus_s(-600));
        assert_eq!(wrong.instant(now), clock.instant(now));
        let since_1970_s = Timestamp::now().as_second();
        assert!(clock.off_by(-since_1970_s).stamp(now).starts_with("1970-01-01T00:00:0"));
    }

    #[test]
    fn timestamps_are_read_with_offsets_and_written_in_utc() {
        let read = Utc::read("2026-03-01T10:00:00.5+02:00").unwrap();
        assert_eq!(read.stamp(), "2026-03-01T08:00:00.500Z");
        assert_eq!(read.plus(Duration::from_millis(500)).stamp(), "2026-03-01T08:00:01.000Z");
        assert_eq!(Utc::read("yesterday"), None);
    }
}
