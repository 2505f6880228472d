//! Numbers that cross function borders: instants, power, energy. All whole numbers, so that energy adds up exactly.
//!
//! Stands below everything else here; never asks what time it is.

use std::time::Duration;

/// Microjoules in a watt-hour: 3,600 seconds of a million microseconds at one watt.
const MICROJOULES_PER_WH: u64 = 3_600_000_000;

/// An instant of a run: microseconds since its [`Clock`](crate::clock::Clock) was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// Electrical power in whole watts, never negative: the cars here do not feed back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watts(pub u64);

/// An amount of energy in microjoules, exact: watts times microseconds. The range ends above 5 GWh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Energy(u64);

// === impl Moment ===

impl Moment {
    /// The instant `micros` microseconds after the clock was made.
    #[must_use]
    pub fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the clock was made.
    #[must_use]
    pub fn micros(self) -> u64 {
        self.0
    }

    /// This instant moved into the future.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` until this instant; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

// === impl Watts ===

impl Watts {
    /// Half, a third, ... of this power; all of it for zero parts.
    #[must_use]
    pub fn shared_by(self, parts: u64) -> Self {
        Self(self.0 / parts.max(1))
    }
}

// === impl Energy ===

impl Energy {
    /// Whole watt-hours as energy.
    #[must_use]
    pub fn from_wh(wh: u64) -> Self {
        Self(wh.saturating_mul(MICROJOULES_PER_WH))
    }

    /// What a constant power delivers in a span of time.
    #[must_use]
    pub fn of(power: Watts, span: Duration) -> Self {
        Self(power.0.saturating_mul(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }

    /// Whole watt-hours in this amount; a meter does not show more.
    #[must_use]
    pub fn whole_wh(self) -> u64 {
        self.0 / MICROJOULES_PER_WH
    }

    /// The sum of two amounts.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left after taking `other` away; nothing when `other` is more.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// How long `power` takes to deliver this amount, rounded up; `None` when the power is zero.
    #[must_use]
    pub fn time_at(self, power: Watts) -> Option<Duration> {
        (power.0 > 0).then(|| Duration::from_micros(self.0.div_ceil(power.0)))
    }

    /// This amount as parts per thousand of `whole`, at most 1,000.
    #[must_use]
    pub fn permille_of(self, whole: Self) -> u64 {
        let unit = (whole.0 / 1_000).max(1);
        (self.0 / unit).min(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_over_time_is_exact() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(Energy::of(Watts(7_360), hour), Energy::from_wh(7_360));
        let pieces = (0..3_600_000)
            .fold(Energy::default(), |sum, _| sum.plus(Energy::of(Watts(7_361), Duration::from_millis(1))));
        assert_eq!(pieces, Energy::from_wh(7_361));
    }

    #[test]
    fn time_to_an_amount_never_falls_short() {
        let goal = Energy::from_wh(100);
        let time = goal.time_at(Watts(7)).unwrap();
        assert!(Energy::of(Watts(7), time) >= goal);
        assert!(Energy::of(Watts(7), time - Duration::from_micros(1)) < goal);
        assert_eq!(goal.time_at(Watts(0)), None);
    }

    #[test]
    fn a_meter_shows_whole_watt_hours() {
        assert_eq!(Energy::from_wh(5).minus(Energy(1)).whole_wh(), 4);
        assert_eq!(Energy::from_wh(1).minus(Energy::from_wh(2)), Energy::default());
    }

    #[test]
    fn a_moment_counts_from_the_start() {
        let later = Moment::default().plus(Duration::from_millis(3));
        assert_eq!(later.since(Moment::default()), Duration::from_millis(3));
        assert_eq!(Moment::default().since(later), Duration::ZERO);
    }
}
