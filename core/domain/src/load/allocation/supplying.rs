//! What there is to give, kept up to date: settings, readings, and what follows from them over time.

use std::collections::BTreeMap;

use crate::id::CircuitId;
use crate::load::capacity::{hard_rows, set_points};
use crate::load::highs::{HOUR_MS, larger};
use crate::load::ledger::steering::input::Effect;
use crate::load::plan::LoadPlan;
use crate::load::settings::{CircuitSettings, SiteSettings};
use crate::load::supply::{Battery, PeakTarget, QUARTER_S, Reading, Signal, SolarOnly};
use crate::load::tree::Connection;
use crate::time::Timestamp;
use crate::unit::{Milliamps, WattHours, Watts};

use super::AllocationState;
use super::remembering::Hours;

const NOTHING: [Milliamps; 3] = [Milliamps::ZERO; 3];
/// The power row comes after the three lines of a circuit.
const POWER_ROW: usize = 3;
/// What was drawn is not known for longer than this, milliseconds: the rest of the gap counts at the target.
const KNOWN_FOR_MS: i64 = 60_000;

/// What is remembered of a circuit besides its readings.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) hours: Hours,
    quarter: Option<Quarter>,
}

/// A quarter of an hour under way, whose mean is to stay under a target.
#[derive(Debug, Clone, Copy)]
struct Quarter {
    from: Timestamp,
    counted_to: Timestamp,
    /// Watts times milliseconds.
    energy_wms: i64,
}

// === impl AllocationState ===

impl AllocationState {
    /// The limits from outside that are known of a circuit.
    #[must_use]
    pub fn signals(&self, circuit: &CircuitId) -> &[Signal] {
        self.supply.circuits.get(circuit).map_or(&[], |known| &known.signals)
    }

    /// Other settings: cars are asked about anew, because their weights and what their words are worth come from here.
    pub(super) fn on_settings(&mut self, now: Timestamp, settings: &SiteSettings) -> Vec<Effect> {
        self.supply.policy = settings.policy();
        let none = CircuitSettings::default();
        for circuit in self.tree.circuits() {
            let wanted = settings.circuits.get(&circuit.id).unwrap_or(&none);
            let known = self.supply.circuits.entry(circuit.id.clone()).or_default();
            known.may_export = wanted.may_export;
            known.breaker_ma = wanted.breaker_ma;
            known.windows.clone_from(&wanted.price_windows);
            known.battery = wanted.battery_charging_max_ma.map(|charging_max_ma| {
                let unheard =
                    Battery { at: LONG_AGO, promised_ma: NOTHING, charging_ma: NOTHING, charging_max_ma };
                Battery { charging_max_ma, ..known.battery.unwrap_or(unheard) }
            });
            known.peak = wanted.peak_w.map(|target_w| {
                let unknown = PeakTarget { target_w, quarter_from: LONG_AGO, energy_wh: WattHours::ZERO };
                PeakTarget { target_w, ..known.peak.unwrap_or(unknown) }
            });
            known.solar_only = wanted.solar_only.then(|| {
                let dark = SolarOnly { surplus_w: Watts::ZERO, at: LONG_AGO, enough_at: None };
                known.solar_only.unwrap_or(dark)
            });
        }
        self.cars.iter_mut().flatten().for_each(|car| car.is_looked_up = false);
        self.on_supply(now)
    }

    pub(super) fn on_building(
        &mut self,
        now: Timestamp,
        circuit: CircuitId,
        reading: Reading,
    ) -> Vec<Effect> {
        let policy = self.supply.policy;
        let known = self.supply.circuits.entry(circuit.clone()).or_default();
        // What cannot be is no load that was ever there.
        if known.is_possible(&reading.line_ma) {
            let hours = &mut self.past.entry(circuit.clone()).or_default().hours;
            let news = hours.see(now, &reading);
            known.highest_24h_ma = hours.highest();
            if let Some((hour, line_ma)) = news {
                self.new_highs.add(circuit, hour, line_ma);
            }
        }
        known.building.observe(reading, None, &policy);
        self.on_supply(now)
    }

    /// A battery's word counts where the settings name one.
    pub(super) fn on_battery(&mut self, now: Timestamp, circuit: &CircuitId, told: &Battery) -> Vec<Effect> {
        let known = self.supply.circuits.get_mut(circuit);
        let Some(battery) = known.and_then(|known| known.battery.as_mut()) else { return Vec::new() };
        if told.at < battery.at {
            return Vec::new();
        }
        *battery = Battery { charging_max_ma: battery.charging_max_ma, ..*told };
        self.on_supply(now)
    }

    /// What each battery is to give, per line: so that the plan holds, and what every EVSE may still have in force.
    #[must_use]
    pub fn setpoints(&self, now: Timestamp) -> BTreeMap<CircuitId, [Milliamps; 3]> {
        if self.supply.circuits.values().all(|known| known.battery.is_none()) {
            return BTreeMap::new();
        }
        let mut asked = set_points(&self.tree, &self.supply, &self.steering.ledger().ceilings(), now);
        for note in self.notes() {
            if let Some(lines) = asked.get_mut(&note.circuit) {
                *lines = larger(*lines, note.battery_ma);
            }
        }
        asked
    }

    /// What follows from readings and draws over time: the energy of this quarter, and what is left of the sun.
    pub(super) fn keep_supply(&mut self, now: Timestamp) {
        self.count_quarters(now);
        self.look_at_the_sun(now);
    }

    fn count_quarters(&mut self, now: Timestamp) {
        if self.supply.circuits.values().all(|known| known.peak.is_none()) {
            return;
        }
        let powers = self.powers(now);
        for (circuit, known) in &mut self.supply.circuits {
            let Some(peak) = &mut known.peak else { continue };
            let power = powers.get(circuit).copied().unwrap_or_default();
            let past = self.past.entry(circuit.clone()).or_default();
            let quarter = past.count(now, power, peak.target_w);
            peak.quarter_from = quarter.from;
            peak.energy_wh = WattHours(quarter.energy_wms / HOUR_MS);
        }
    }

    /// What each circuit takes now: what nobody controls, and what the cars below it drew when they last said so.
    fn powers(&self, now: Timestamp) -> BTreeMap<CircuitId, Watts> {
        let rows = hard_rows(&self.tree, &self.supply, now);
        let circuits = self.tree.circuits().iter().enumerate();
        let mut powers: BTreeMap<CircuitId, i64> = circuits
            .map(|(place, circuit)| {
                let reserve_mw = rows.number(place, POWER_ROW).map_or(0, |row| rows.reserve(row));
                (circuit.id.clone(), reserve_mw.div_euclid(1_000))
            })
            .collect();
        for (place, (evse, car)) in self.tree.evses().iter().zip(&self.cars).enumerate() {
            let Some(car) = car else { continue };
            let lines = car.drawn_ma.iter().map(|line| line.0);
            let current = match evse.connection {
                Connection::Neutral => lines.fold(0_i64, i64::saturating_add),
                Connection::LineToLine => lines.max().unwrap_or(0),
            };
            let watts = current.saturating_mul(i64::from(evse.voltage_v)) / 1_000;
            for circuit in self.tree.path(place).iter().filter_map(|place| self.tree.circuits().get(*place)) {
                if let Some(sum) = powers.get_mut(&circuit.id) {
                    *sum = sum.saturating_add(watts);
                }
            }
        }
        powers.into_iter().map(|(circuit, watts)| (circuit, Watts(watts))).collect()
    }

    /// The surplus is what circuits would give back without cars and without what a battery would add.
    fn look_at_the_sun(&mut self, now: Timestamp) {
        if self.supply.circuits.values().all(|known| known.solar_only.is_none()) {
            return;
        }
        let mut sunny = self.supply.clone();
        sunny.circuits.values_mut().for_each(|known| known.battery = None);
        let rows = hard_rows(&self.tree, &sunny, now);
        for (place, circuit) in self.tree.circuits().iter().enumerate() {
            let known = self.supply.circuits.get_mut(&circuit.id);
            let Some(solar) = known.and_then(|known| known.solar_only.as_mut()) else { continue };
            let reserve_mw = rows.number(place, POWER_ROW).map_or(0, |row| rows.reserve(row));
            solar.surplus_w = Watts((reserve_mw.saturating_neg() / 1_000).max(0));
            solar.at = now;
        }
    }

    /// The plan found the sun enough: cars stay at their minimum through a cloud, counted from now.
    pub(super) fn keep_notes(&mut self, now: Timestamp, made: &LoadPlan) {
        for note in made.notes.iter().filter(|note| note.solar_enough == Some(true)) {
            let known = self.supply.circuits.get_mut(&note.circuit);
            if let Some(solar) = known.and_then(|known| known.solar_only.as_mut()) {
                solar.enough_at = Some(now);
            }
        }
    }
}

/// Before anything was heard.
const LONG_AGO: Timestamp = Timestamp::from_millis(0);

// === impl Past ===

impl Past {
    /// Counts what was taken since it was last asked. What is not known counts at the target: it neither saves nor costs anything.
    fn count(&mut self, now: Timestamp, power: Watts, target: Watts) -> Quarter {
        let length_ms = QUARTER_S * 1_000;
        let from = Timestamp::from_millis(now.as_millis().div_euclid(length_ms) * length_ms);
        let start = Quarter { from, counted_to: from, energy_wms: 0 };
        let mut quarter = self.quarter.filter(|quarter| quarter.from == from).unwrap_or(start);
        // Right after the end of one quarter the next is known from its beginning.
        let is_known_since =
            self.quarter.is_some_and(|known| from.millis_since(known.counted_to) <= KNOWN_FOR_MS);
        let passed_ms = now.millis_since(quarter.counted_to).max(0);
        let known_ms = if is_known_since { passed_ms.min(KNOWN_FOR_MS) } else { 0 };
        let energy = |power: Watts, ms: i64| power.0.saturating_mul(ms);
        let added =
            energy(power.max(Watts::ZERO), known_ms).saturating_add(energy(target, passed_ms - known_ms));
        quarter.energy_wms = quarter.energy_wms.saturating_add(added);
        quarter.counted_to = now;
        self.quarter = Some(quarter);
        quarter
    }
}
