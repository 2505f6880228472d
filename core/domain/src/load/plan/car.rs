//! P1 and P2: what a car can take at most, what it needs, and how much time it has to spare.

use crate::load::demand::{Demand, Memory};
use crate::load::policy::Policy;
use crate::load::rows::{MICRO, RowUse};
use crate::load::supply::Supply;
use crate::load::tree::{Evse, Output, SiteTree};
use crate::time::Timestamp;
use crate::unit::{Milliamps, WattHours, Watts};

use super::wired;

/// A car that is asked again, with a share, has answered by then, in milliseconds: a station that tells nothing of it has told enough.
const PROBE_MAX_MS: i64 = 600_000;

/// Microampere-volt-milliseconds in a watt-hour: 3,600 W s, 1e6 µA, 1,000 ms.
const UAV_MS_PER_WH: i128 = 3_600_000_000_000;

/// What bounds a car.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Evse,
    Car,
    Energy,
}

/// A car at a steered EVSE.
#[derive(Debug)]
pub(super) struct Car<'t> {
    pub(super) place: usize,
    pub(super) evse: &'t Evse,
    pub(super) uses: &'t [RowUse],
    pub(super) arrived_at: Timestamp,
    pub(super) memory: Memory,
    pub(super) lines: [bool; 3],
    pub(super) fallback_ua: i64,
    pub(super) min_ua: i64,
    /// The most it can take, in whole steps.
    pub(super) cap_ua: i64,
    pub(super) bound: Bound,
    /// What it needs to be on time, from the minimum to the cap.
    pub(super) need_ua: i64,
    pub(super) remaining: WattHours,
    /// When it leaves, if that is ahead.
    pub(super) departs_at: Option<Timestamp>,
    /// The time it could do without current; the largest value without a departure.
    pub(super) laxity_ms: i64,
    /// Somebody answers for its departure, it is ahead, and energy is missing.
    pub(super) is_trusted: bool,
    pub(super) weight: i64,
    pub(super) is_quiet: bool,
    pub(super) is_probing: bool,
    pub(super) is_in: bool,
    pub(super) share_ua: i64,
    energy_is_trusted: bool,
    car_max_ua: Option<i64>,
    departure: Option<Timestamp>,
}

// === impl Car ===

impl<'t> Car<'t> {
    pub(super) fn new(
        tree: &'t SiteTree,
        place: usize,
        evse: &'t Evse,
        demand: &Demand,
        supply: &Supply,
        now: Timestamp,
    ) -> Self {
        let policy = &supply.policy;
        let micro = |current: Milliamps| current.0.saturating_mul(MICRO);
        let mut memory = demand.memory;
        let asked_since = memory.probing_since.zip(memory.on_since).map(|(due, on)| due.max(on));
        if asked_since.is_some_and(|since| now.millis_since(since) >= PROBE_MAX_MS) {
            memory.probing_since = None;
        }
        let asks_again = memory.is_quiet() && memory.probing_since.is_some();
        let is_due = memory.is_quiet() && probe_at(&memory, policy).is_some_and(|due| due <= now);
        if is_due && !asks_again {
            memory.probing_since = Some(now);
            memory.probed_at = Some(now);
        }
        let is_probing = asks_again || is_due;
        let may_switch = memory.switched_at.is_none_or(|at| now.millis_since(at) >= policy.switch_ms);
        let lines = memory.lines(evse);
        let mut car = Self {
            place,
            evse,
            uses: tree.layout().uses(place),
            arrived_at: demand.arrived_at,
            lines: if memory.on_one_line && !may_switch { first_line(evse) } else { lines },
            memory,
            fallback_ua: micro(evse.fallback_ma),
            min_ua: 0,
            cap_ua: 0,
            bound: Bound::Evse,
            need_ua: 0,
            remaining: demand.remaining(policy),
            departs_at: demand.departure(policy).filter(|at| *at > now),
            laxity_ms: i64::MAX,
            is_trusted: false,
            weight: i64::from(demand.weight_permille.clamp(1, 1_000_000)),
            is_quiet: memory.is_quiet() && !is_probing,
            is_probing,
            is_in: false,
            share_ua: 0,
            energy_is_trusted: demand.trust.energy && demand.energy_wh.is_some(),
            car_max_ua: demand.car_max_ma.map(micro),
            departure: demand.departure(policy),
        };
        let wished = demand.car_min_ma.unwrap_or_default().max(evse.min_ma).min(evse.max_ma);
        let down = car.down_to_step(micro(wished));
        car.min_ua = if down < micro(wished) { down.saturating_add(micro(evse.step_ma)) } else { down };
        car.min_ua = car.min_ua.min(car.down_to_step(micro(evse.max_ma)));
        car.is_trusted = demand.trust.departure && car.departs_at.is_some() && car.remaining.0 > 0;
        if car.energy_is_trusted && car.remaining <= car.energy(car.min_ua, policy.period_ms) {
            // As good as full: what is left is over before the next plan. It takes what others leave, and is not asked again.
            car.is_quiet = true;
            car.is_probing = false;
            car.memory.probing_since = None;
        }
        car.appraise(policy, now);
        car
    }

    /// Cap, need and laxity on the lines it uses now.
    pub(super) fn appraise(&mut self, policy: &Policy, now: Timestamp) {
        let micro = |current: Milliamps| current.0.saturating_mul(MICRO);
        let evse_max = micro(self.evse.max_ma);
        let car_max = self.car_max_ua.unwrap_or(evse_max);
        let learnt = self.memory.learnt_cap_ma.map_or(evse_max, micro);
        let mut cap = evse_max.min(car_max).min(learnt);
        self.bound = if cap < evse_max { Bound::Car } else { Bound::Evse };
        if self.energy_is_trusted {
            let lasting = self.current_for(self.remaining, policy.period_ms);
            if lasting < cap {
                cap = lasting;
                self.bound = Bound::Energy;
            }
        }
        self.cap_ua = self.down_to_step(cap).max(self.min_ua);
        if self.is_quiet || self.is_probing {
            self.cap_ua = self.min_ua;
        }
        let left_ms = self.departs_at.map(|at| at.millis_since(now));
        let wanted = left_ms.map_or(0, |left| self.current_for(self.remaining, left));
        self.need_ua = wanted.clamp(self.min_ua, self.cap_ua);
        self.laxity_ms = self.departure.map_or(i64::MAX, |at| {
            at.millis_since(now).saturating_sub(self.time_for(self.remaining, self.cap_ua))
        });
    }

    /// The current, per line in µA, that gives an energy within a time; rounded up.
    fn current_for(&self, energy: WattHours, time_ms: i64) -> i64 {
        let per_current = self.volts().saturating_mul(i128::from(time_ms.max(1)));
        i64::try_from(self.drawn_for(energy).saturating_add(per_current - 1) / per_current)
            .unwrap_or(i64::MAX)
    }

    /// The milliseconds in which a current gives an energy; rounded up.
    pub(super) fn time_for(&self, energy: WattHours, current_ua: i64) -> i64 {
        let per_ms = self.volts().saturating_mul(i128::from(current_ua.max(1)));
        i64::try_from(self.drawn_for(energy).saturating_add(per_ms - 1) / per_ms).unwrap_or(i64::MAX)
    }

    /// What the lines give for an energy in the vehicle, in µA V ms.
    fn drawn_for(&self, energy: WattHours) -> i128 {
        i128::from(energy.0).saturating_mul(UAV_MS_PER_WH * 1_000) / i128::from(self.permille())
    }

    /// Volts times lines.
    fn volts(&self) -> i128 {
        let used = self.lines.iter().filter(|used| **used).count();
        let lines = i128::try_from(self.evse.power_lines(used)).unwrap_or(3);
        i128::from(self.evse.voltage_v).saturating_mul(lines).max(1)
    }

    /// What reaches the vehicle of what the lines give, in thousandths.
    fn permille(&self) -> u16 {
        match self.evse.output {
            Output::Ac => 1_000,
            Output::Dc { efficiency_permille } => efficiency_permille.max(1),
        }
    }

    /// What the lines give at a current, rounded down.
    pub(super) fn power(&self, current_ua: i64) -> Watts {
        let watts = self.volts().saturating_mul(i128::from(current_ua)) / 1_000_000;
        Watts(i64::try_from(watts).unwrap_or(i64::MAX))
    }

    /// What the vehicle has had after some time at a current, rounded down.
    pub(super) fn energy(&self, current_ua: i64, time_ms: i64) -> WattHours {
        let product =
            self.volts().saturating_mul(i128::from(current_ua)).saturating_mul(i128::from(time_ms.max(0)));
        let vehicle = product.saturating_mul(i128::from(self.permille())) / 1_000;
        WattHours(i64::try_from(vehicle / UAV_MS_PER_WH).unwrap_or(i64::MAX))
    }

    /// What a share costs above the fallback, which is kept in any case: less than that frees nothing.
    pub(super) fn cost(&self, share_ua: i64) -> i64 {
        share_ua.saturating_sub(self.fallback_ua).max(0)
    }

    /// The least it has once it is in: what it may draw in any case costs nothing.
    pub(super) fn base_ua(&self) -> i64 {
        self.min_ua.max(self.down_to_step(self.fallback_ua).min(self.cap_ua))
    }

    /// Down to what the EVSE can be told: its minimum and whole steps above it. Below the minimum, the minimum.
    pub(super) fn down_to_step(&self, current_ua: i64) -> i64 {
        let (least, step) = (self.evse.min_ma.0.saturating_mul(MICRO), self.step_ua());
        let above = current_ua.saturating_sub(least).max(0);
        least.saturating_add(above - above % step)
    }

    pub(super) fn step_ua(&self) -> i64 {
        self.evse.step_ma.0.max(1).saturating_mul(MICRO)
    }

    /// Uses its first line alone from now on.
    pub(super) fn use_one_line(&mut self, policy: &Policy, now: Timestamp) {
        self.lines = first_line(self.evse);
        self.appraise(policy, now);
    }

    /// May it be switched to one line now?
    pub(super) fn can_switch(&self, policy: &Policy, now: Timestamp) -> bool {
        let is_rested = self.memory.switched_at.is_none_or(|at| now.millis_since(at) >= policy.switch_ms);
        self.evse.can_switch_phases && is_rested && self.lines == wired(self.evse)
    }

    /// Does it charge, and for less than the hold?
    pub(super) fn is_held(&self, policy: &Policy, now: Timestamp) -> bool {
        self.memory.on_since.is_some_and(|since| now.millis_since(since) < policy.hold_ms)
    }

    /// Since when it waits.
    pub(super) fn waits_since(&self, now: Timestamp) -> Timestamp {
        self.memory.off_since.unwrap_or(now)
    }
}

/// When a quiet car at 0 A is asked again.
pub(super) fn probe_at(memory: &Memory, policy: &Policy) -> Option<Timestamp> {
    let since = memory.off_since?.max(memory.probed_at.unwrap_or(Timestamp::from_millis(i64::MIN)));
    Some(since.plus_millis(policy.probe_ms))
}

fn first_line(evse: &Evse) -> [bool; 3] {
    let first = evse.lines.first();
    crate::load::tree::Line::ALL.map(|line| first == Some(&line))
}
