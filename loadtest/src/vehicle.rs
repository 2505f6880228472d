//! The car: a battery with a charging curve, and how much its driver wants.
//!
//! Power is a step function of time, so energy is power times time and adds up exactly. Never knows OCPP.

use std::time::Duration;

use serde::Deserialize;

use crate::unit::{Energy, Watts};

/// Nominal phase voltage: what limits in ampere are converted with.
pub const PHASE_VOLTS: u64 = 230;
/// Below this a car does not charge on AC (IEC 61851-1).
const AC_MINIMUM_A: u64 = 6;
/// Where the charging curve starts to bend, in parts per thousand of the capacity.
const TAPER_FROM_PERMILLE: u64 = 800;
/// What is left of the full power when the battery is nearly full, in per cent.
const TAPER_FLOOR_PERCENT: u64 = 10;

/// What comes out of a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Current {
    /// Alternating current: the car rectifies it.
    Ac,
    /// Direct current: the station has rectified it.
    Dc,
}

/// A car with its battery, and what its driver asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vehicle {
    capacity: Energy,
    stored: Energy,
    wanted: Energy,
    power_max: Watts,
    phases: u64,
}

// === impl Vehicle ===

impl Vehicle {
    /// A car of `capacity`, filled to `soc_percent` (0 to 100), that takes `power_max` at most and leaves satisfied after
    /// `wanted`. On AC up to 7.4 kW it uses one phase, above three.
    #[must_use]
    pub fn new(capacity: Energy, soc_percent: u64, wanted: Energy, power_max: Watts) -> Self {
        let percent = Energy::from_wh(capacity.whole_wh().saturating_mul(soc_percent.min(100)) / 100);
        let phases = if power_max.0 > 32 * PHASE_VOLTS { 3 } else { 1 };
        Self { capacity, stored: percent, wanted, power_max, phases }
    }

    /// Phases it uses on AC, 1 or 3.
    #[must_use]
    pub fn phases(&self) -> u64 {
        self.phases
    }

    /// State of charge in whole per cent.
    #[must_use]
    pub fn soc_percent(&self) -> u64 {
        self.stored.permille_of(self.capacity) / 10
    }

    /// What it would take if nobody limited it; zero once it is full or has what was asked for.
    #[must_use]
    pub fn demand(&self) -> Watts {
        if self.room() == Energy::default() {
            return Watts(0);
        }
        let permille = self.stored.permille_of(self.capacity);
        let bent = permille.saturating_sub(TAPER_FROM_PERMILLE);
        let percent = 100 - (100 - TAPER_FLOOR_PERCENT) * bent / (1_000 - TAPER_FROM_PERMILLE);
        Watts((self.power_max.0 * percent / 100).max(1))
    }

    /// What it takes of an offer: nothing below the least current an AC car works with.
    #[must_use]
    pub fn take(&self, offer: Watts, current: Current) -> Watts {
        let minimum = match current {
            Current::Ac => Watts(AC_MINIMUM_A * PHASE_VOLTS * self.phases),
            Current::Dc => Watts(1),
        };
        if offer < minimum { Watts(0) } else { self.demand().min(offer) }
    }

    /// Energy it can still take before it is full or satisfied.
    #[must_use]
    pub fn room(&self) -> Energy {
        self.wanted.min(self.capacity.minus(self.stored))
    }

    /// How long it takes at `power` until it stops by itself; `None` when it takes nothing.
    #[must_use]
    pub fn time_left(&self, power: Watts) -> Option<Duration> {
        self.room().time_at(power)
    }

    /// Charges for a span at a power; returns what went into the car, never more than it has room for.
    #[must_use]
    pub fn charge(&mut self, power: Watts, span: Duration) -> Energy {
        let energy = Energy::of(power, span).min(self.room());
        self.stored = self.stored.plus(energy);
        self.wanted = self.wanted.minus(energy);
        energy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn car(soc_percent: u64, wanted_wh: u64, power_max_w: u64) -> Vehicle {
        Vehicle::new(Energy::from_wh(60_000), soc_percent, Energy::from_wh(wanted_wh), Watts(power_max_w))
    }

    #[test]
    fn it_takes_what_was_asked_to_the_microjoule() {
        let mut vehicle = car(20, 1_234, 11_000);
        let mut taken = Energy::default();
        while vehicle.demand() > Watts(0) {
            taken = taken
                .plus(vehicle.charge(vehicle.take(Watts(22_000), Current::Ac), Duration::from_millis(977)));
        }
        assert_eq!(taken, Energy::from_wh(1_234));
    }

    #[test]
    fn it_stops_when_the_battery_is_full() {
        let mut vehicle = car(99, 50_000, 11_000);
        let taken = vehicle.charge(Watts(11_000), Duration::from_secs(36_000));
        assert_eq!(taken, Energy::from_wh(600));
        assert_eq!((vehicle.soc_percent(), vehicle.demand()), (100, Watts(0)));
    }

    #[test]
    fn power_bends_above_eighty_per_cent() {
        for (soc, expected_w) in [(10, 150_000), (80, 150_000), (90, 82_500), (95, 49_500)] {
            assert_eq!(car(soc, 50_000, 150_000).demand(), Watts(expected_w), "{soc} %");
        }
    }

    #[test]
    fn below_six_ampere_an_ac_car_takes_nothing() {
        let three_phases = car(20, 10_000, 11_000);
        assert_eq!(three_phases.take(Watts(4_139), Current::Ac), Watts(0));
        assert_eq!(three_phases.take(Watts(4_140), Current::Ac), Watts(4_140));
        assert_eq!(three_phases.take(Watts(900), Current::Dc), Watts(900));
        assert_eq!(car(20, 10_000, 7_360).take(Watts(1_380), Current::Ac), Watts(1_380));
    }
}
