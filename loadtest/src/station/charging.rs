//! Energy: what each car may draw, what it draws, and what the meter makes of it.
//!
//! Power is constant between steps; a step comes at least once a second while a car may charge, so a new limit is followed
//! within a second. Limits come from `profile`, appetite from `vehicle`. Never sends anything but changes of state.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Utc;
use crate::draws::{Change, Draw, lines_of};
use crate::profile::Occasion;
use crate::station::Station;
use crate::station::evse::{ChargingState, Evse};
use crate::station::transactions::Trigger;
use crate::unit::{Moment, Watts};
use crate::vehicle::Current;

/// The longest a car goes on without looking at its limit.
const STEP: Duration = Duration::from_secs(1);

impl Station {
    /// Adds what has flowed since the last time to meters and batteries.
    pub(super) fn integrate(&mut self, now: Moment) {
        for evse in &mut self.evses {
            let span = now.since(evse.power_since);
            evse.power_since = evse.power_since.max(now);
            if let Some(vehicle) = &mut evse.vehicle {
                evse.meter = evse.meter.plus(vehicle.charge(evse.power, span));
            }
        }
    }

    pub(super) fn tick_charging(&mut self, now: Moment) {
        if self.evses.iter().any(|evse| evse.next_step.is_some_and(|at| at <= now)) {
            self.step(now);
        }
        self.say_readings(now);
    }

    /// Settles the past, then lets every car draw what it may from now on.
    pub(super) fn step(&mut self, now: Moment) {
        self.integrate(now);
        let dark = self.is_dark(now) || self.paused.is_some();
        let hungry = self.evses.iter().filter(|evse| may_charge(evse) && room(evse)).count();
        let mut changed: Vec<u32> = Vec::new();
        let offers: Vec<Watts> =
            self.evses.iter().map(|evse| self.offer(now, evse, u64::try_from(hungry).unwrap_or(1))).collect();
        let current = self.make.current;
        for (evse, offer) in self.evses.iter_mut().zip(offers) {
            evse.next_step = None;
            if !may_charge(evse) || dark {
                evse.power = Watts(0);
                continue;
            }
            let (Some(vehicle), Some(transaction)) = (&evse.vehicle, &mut evse.transaction) else { continue };
            evse.power = vehicle.take(offer, current);
            let satisfied = vehicle.time_left(evse.power).unwrap_or(STEP);
            evse.next_step = Some(now.plus(satisfied.clamp(Duration::from_micros(1), STEP)));
            let state = if evse.power > Watts(0) {
                ChargingState::Charging
            } else if vehicle.demand() == Watts(0) {
                ChargingState::SuspendedEv
            } else {
                ChargingState::SuspendedEvse
            };
            if transaction.state != state {
                transaction.state = state;
                changed.push(evse.id);
            }
        }
        for evse in changed {
            self.say_update(now, evse, Trigger::ChargingStateChanged);
        }
    }

    /// No more energy until the next step after the station is back.
    pub(super) fn suspend_energy(&mut self, now: Moment) {
        self.integrate(now);
        self.paused = self.evses.iter().any(|evse| evse.transaction.is_some()).then_some(self.last_serial);
        for evse in &mut self.evses {
            evse.power = Watts(0);
            evse.next_step = None;
        }
    }

    /// Tells the witness what every EVSE draws and may draw from now on, where it watches and something has changed.
    pub(super) fn tell_draws(&mut self, now: Moment) {
        let Some(witness) = self.tally.witness().filter(|_| !self.told_draws.is_empty()) else { return };
        for (place, evse) in self.evses.iter().enumerate() {
            let occasion = self.occasion(self.clock.utc(now), now, evse);
            let own = self.profiles.evse_limit(evse.id, &occasion).unwrap_or(self.make.power);
            let whole = self.profiles.station_limit(&occasion).unwrap_or(self.make.power);
            // Direct current is taken from all lines alike.
            let phases = if self.make.current == Current::Dc { 3 } else { occasion.phases };
            let allowed = lines_of(own.min(whole).min(self.make.power), phases);
            let draw = Draw { drawn: lines_of(evse.power, phases), allowed };
            if let Some(told) = self.told_draws.get_mut(place).filter(|told| **told != Some(draw)) {
                *told = Some(draw);
                let (at, station) = (self.clock.instant(now), Arc::clone(&self.id));
                witness.draws().tell(Change { at, station, evse: evse.id, draw });
            }
        }
    }

    /// What an EVSE can give its car now, `sharers` cars sharing the station's limit.
    fn offer(&self, now: Moment, evse: &Evse, sharers: u64) -> Watts {
        let occasion = self.occasion(self.clock.utc(now), now, evse);
        let own = self.profiles.evse_limit(evse.id, &occasion).unwrap_or(self.make.power);
        let share = self.profiles.station_limit(&occasion).map(|limit| limit.shared_by(sharers));
        own.min(self.make.power).min(share.unwrap_or(self.make.power))
    }

    /// The instant `at` for an EVSE's limits, seen from `now`.
    pub(super) fn occasion<'a>(&'a self, at: Utc, now: Moment, evse: &'a Evse) -> Occasion<'a> {
        let transaction = evse.transaction.as_ref();
        Occasion {
            at,
            transaction: transaction
                .map(|transaction| (transaction.id.as_str(), self.clock.utc(transaction.started_at))),
            offline_for: self.link.down_since.filter(|_| !self.link.up).map(|since| now.since(since)),
            phases: evse.vehicle.as_ref().map_or(3, crate::vehicle::Vehicle::phases),
        }
    }

    /// The composite schedule of an EVSE, or of the station for 0: offsets in seconds with what may be drawn.
    pub(super) fn composite(&self, now: Moment, evse: u32, duration_s: i64) -> Vec<(i64, Watts)> {
        let from = self.clock.utc(now);
        let start_of = |at: u32| {
            let transaction = self.evse(at).and_then(|evse| evse.transaction.as_ref());
            transaction.map(|transaction| self.clock.utc(transaction.started_at))
        };
        let mut schedule: Vec<(i64, Watts)> = Vec::new();
        for offset_s in self.profiles.changes(from, duration_s, start_of) {
            let at = from.plus_s(offset_s);
            let concerned = self.evses.iter().filter(|known| evse == 0 || known.id == evse);
            let sum: u64 = concerned
                .map(|known| {
                    let occasion = self.occasion(at, now, known);
                    let limit = self.profiles.evse_limit(known.id, &occasion).unwrap_or(self.make.power);
                    limit.min(self.make.power).0
                })
                .sum();
            let whole = self.evses.first().and_then(|first| {
                let occasion = self.occasion(at, now, first);
                self.profiles.station_limit(&Occasion { phases: 3, ..occasion })
            });
            let limit = whole.map_or(Watts(sum), |whole| whole.min(Watts(sum)));
            if schedule.last().is_none_or(|(_, last)| *last != limit) {
                schedule.push((offset_s, limit));
            }
        }
        schedule
    }
}

fn may_charge(evse: &Evse) -> bool {
    evse.fault.is_none() && evse.is_charging_session()
}

fn room(evse: &Evse) -> bool {
    evse.vehicle.as_ref().is_some_and(|vehicle| vehicle.demand() > Watts(0))
}
