//! What drivers do at a station, and what goes wrong with it: arrivals, tokens, departures, outages, faults.
//!
//! Drivers see only what a driver sees: the connector, and whether charging goes on. Everything is drawn from one seeded
//! generator per station, so a run can be repeated. Never speaks OCPP.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use crate::arrivals::{Arrivals, Range};
use crate::station::Station;
use crate::station::evse::{ErrorCode, Evse};
use crate::unit::{Energy, Moment, Watts};
use crate::vehicle::Vehicle;

/// From the cable to the reader, s.
const TO_READER: Range = Range { min: 2, max: 5 };
/// From the end of charging to the road, s.
const TO_ROAD: Range = Range { min: 2, max: 5 };
/// From a remote start to the cable, s.
const TO_CABLE: Range = Range { min: 1, max: 3 };
/// A driver who hears nothing about his token leaves after this.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often a driver looks whether something has changed.
const LOOK: Duration = Duration::from_millis(500);

/// How drivers of a group behave; the same for all its stations.
#[derive(Clone, Debug)]
pub struct Habits {
    pub(crate) arrivals: Arrivals,
    pub(crate) tokens: Vec<String>,
    pub(crate) stay_s: Range,
    pub(crate) energy_wh: Range,
    pub(crate) vehicle_w: Range,
    pub(crate) battery_wh: Range,
    pub(crate) soc_percent: Range,
    pub(crate) outage: Option<Cycle>,
    pub(crate) fault: Option<(Cycle, ErrorCode)>,
}

/// Something that comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cycle {
    pub(crate) every_s: Range,
    pub(crate) for_s: Range,
}

/// All drivers of one station.
#[derive(Clone, Debug)]
pub struct Drivers {
    habits: Arc<Habits>,
    seed: u64,
    rng: Rng,
    visits: Vec<Visit>,
    outage: Option<Phase>,
    fault: Option<Phase>,
    started: bool,
    gone_home: bool,
}

/// Where one place stands with its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visit {
    /// Nobody; the next comes then, if ever.
    Away { until: Option<Moment> },
    /// Plugged in, on the way to the reader.
    Arriving { present_at: Moment, leave_at: Moment },
    /// Waiting for the answer.
    Waiting { give_up_at: Moment, leave_at: Moment },
    /// Charging, until he comes back.
    Charging { leave_at: Moment },
    /// On the way to the road.
    Leaving { at: Moment },
}

/// Where a cycle stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Phase {
    /// It is there now.
    on: bool,
    /// When that changes.
    until: Moment,
    /// The EVSE concerned, for faults.
    evse: u32,
}

// === impl Habits ===

impl Habits {
    /// Drivers that only come when a remote start calls for one.
    #[must_use]
    pub fn idle() -> Self {
        Self {
            arrivals: Arrivals::None,
            tokens: Vec::new(),
            stay_s: Range { min: 600, max: 3_600 },
            energy_wh: Range { min: 5_000, max: 30_000 },
            vehicle_w: Range { min: 11_000, max: 11_000 },
            battery_wh: Range { min: 60_000, max: 60_000 },
            soc_percent: Range { min: 20, max: 60 },
            outage: None,
            fault: None,
        }
    }

    fn car(&self, rng: &mut Rng) -> Vehicle {
        Vehicle::new(
            Energy::from_wh(self.battery_wh.draw(rng)),
            self.soc_percent.draw(rng),
            Energy::from_wh(self.energy_wh.draw(rng)),
            Watts(self.vehicle_w.draw(rng)),
        )
    }
}

// === impl Drivers ===

impl Drivers {
    /// The drivers of a station with `evses` places.
    #[must_use]
    pub fn new(habits: Arc<Habits>, seed: u64, evses: u32) -> Self {
        let visits = (0..evses).map(|_| Visit::Away { until: None }).collect();
        let rng = Rng::with_seed(seed);
        Self { habits, seed, rng, visits, outage: None, fault: None, started: false, gone_home: false }
    }

    /// What everything is drawn from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Does what is to be done now.
    pub fn act(&mut self, now: Moment, station: &mut Station) {
        if self.gone_home {
            return;
        }
        if !self.started {
            self.start(now, station);
        }
        self.go_wrong(now, station);
        let evses: Vec<u32> = station.evses().iter().map(Evse::id).collect();
        for (place, evse) in evses.into_iter().enumerate() {
            let Some(visit) = self.visits.get(place).copied() else { continue };
            let next = self.visit(now, station, evse, visit);
            if let Some(visit) = self.visits.get_mut(place) {
                *visit = next;
            }
        }
    }

    /// When something is to be done.
    #[must_use]
    pub fn next_deadline(&self, now: Moment) -> Option<Moment> {
        if self.gone_home {
            return None;
        }
        let visits = self.visits.iter().filter_map(|visit| match visit {
            Visit::Away { until } => *until,
            Visit::Arriving { present_at, .. } => Some(*present_at),
            Visit::Waiting { give_up_at, .. } => Some(now.plus(LOOK).min(*give_up_at)),
            Visit::Charging { leave_at } => Some(*leave_at),
            Visit::Leaving { at } => Some(*at),
        });
        let phases = self.outage.iter().chain(&self.fault).map(|phase| phase.until);
        visits.chain(phases).min()
    }

    /// The run ends: everybody stops, pulls the cable and leaves; what was broken is mended.
    pub fn go_home(&mut self, now: Moment, station: &mut Station) {
        if std::mem::replace(&mut self.gone_home, true) {
            return;
        }
        station.set_outage(false);
        let evses: Vec<u32> = station.evses().iter().map(Evse::id).collect();
        for evse in evses {
            station.set_fault(now, evse, None);
            present_own_token(now, station, evse);
            station.unplug(now, evse);
        }
    }

    fn start(&mut self, now: Moment, station: &Station) {
        self.started = true;
        for visit in &mut self.visits {
            let until = self.habits.arrivals.first(&mut self.rng).map(|gap| now.plus(gap));
            *visit = Visit::Away { until };
        }
        let evses = u32::try_from(station.evses().len()).unwrap_or(1).max(1);
        let first = |cycle: Cycle, rng: &mut Rng| Phase {
            on: false,
            until: now.plus(cycle.every_s.draw_s(rng)),
            evse: rng.u32(1..=evses),
        };
        self.outage = self.habits.outage.map(|cycle| first(cycle, &mut self.rng));
        self.fault = self.habits.fault.map(|(cycle, _)| first(cycle, &mut self.rng));
    }

    fn visit(&mut self, now: Moment, station: &mut Station, evse: u32, visit: Visit) -> Visit {
        let Some(place) = station.evse(evse) else { return visit };
        match visit {
            Visit::Away { .. } if place.waits_for_car() => {
                Visit::Arriving { present_at: self.soon(now, TO_CABLE), leave_at: self.departure(now) }
            }
            Visit::Away { until: Some(until) } if until <= now => self.arrive(now, station, evse),
            Visit::Away { .. } => visit,
            Visit::Arriving { present_at, leave_at } => {
                if place.is_charging_session() {
                    return Visit::Charging { leave_at };
                }
                if present_at > now {
                    return visit;
                }
                if place.vehicle().is_none() {
                    // Called by a remote start: only the cable is missing.
                    let car = self.habits.car(&mut self.rng);
                    let plugged = station.plug_in(now, evse, car);
                    return if plugged { Visit::Charging { leave_at } } else { self.away(now) };
                }
                if !place.is_usable() {
                    return Visit::Leaving { at: self.soon(now, TO_ROAD) };
                }
                if !place.is_asking() {
                    let token = self.rng.choice(&self.habits.tokens).cloned();
                    station.present_token(now, evse, &token.unwrap_or_default());
                }
                Visit::Waiting { give_up_at: now.plus(PATIENCE), leave_at }
            }
            Visit::Waiting { give_up_at, leave_at } => {
                if place.is_charging_session() {
                    Visit::Charging { leave_at }
                } else if place.was_refused() || !place.is_usable() || give_up_at <= now {
                    Visit::Leaving { at: self.soon(now, TO_ROAD) }
                } else {
                    visit
                }
            }
            Visit::Charging { leave_at } => {
                if place.is_charging_session() && leave_at > now {
                    return visit;
                }
                present_own_token(now, station, evse);
                Visit::Leaving { at: self.soon(now, TO_ROAD) }
            }
            Visit::Leaving { at } => {
                if at > now {
                    return visit;
                }
                station.unplug(now, evse);
                self.away(now)
            }
        }
    }

    fn arrive(&mut self, now: Moment, station: &mut Station, evse: u32) -> Visit {
        let car = self.habits.car(&mut self.rng);
        let free = station.evse(evse).is_some_and(Evse::is_free);
        if !free || !station.plug_in(now, evse, car) {
            return self.away(now);
        }
        Visit::Arriving { present_at: self.soon(now, TO_READER), leave_at: self.departure(now) }
    }

    fn away(&mut self, now: Moment) -> Visit {
        Visit::Away { until: self.habits.arrivals.next(&mut self.rng).map(|gap| now.plus(gap)) }
    }

    fn soon(&mut self, now: Moment, range: Range) -> Moment {
        now.plus(range.draw_s(&mut self.rng))
    }

    fn departure(&mut self, now: Moment) -> Moment {
        now.plus(self.habits.stay_s.draw_s(&mut self.rng))
    }

    fn go_wrong(&mut self, now: Moment, station: &mut Station) {
        if let (Some(cycle), Some(phase)) = (self.habits.outage, &mut self.outage)
            && phase.turn(now, cycle, &mut self.rng)
        {
            station.set_outage(phase.on);
        }
        if let (Some((cycle, code)), Some(phase)) = (self.habits.fault, &mut self.fault)
            && phase.turn(now, cycle, &mut self.rng)
        {
            station.set_fault(now, phase.evse, phase.on.then_some(code));
        }
    }
}

// === impl Phase ===

impl Phase {
    /// Comes or goes when it is time; `true` when it did.
    fn turn(&mut self, now: Moment, cycle: Cycle, rng: &mut Rng) -> bool {
        if self.until > now {
            return false;
        }
        self.on = !self.on;
        let span = if self.on { cycle.for_s } else { cycle.every_s };
        self.until = now.plus(span.draw_s(rng));
        true
    }
}

/// The driver holds the token he started with to the reader again; without a transaction nothing happens.
fn present_own_token(now: Moment, station: &mut Station, evse: u32) {
    let running = station.evse(evse).filter(|place| place.is_charging_session());
    if let Some(token) = running.and_then(Evse::paying_token).map(str::to_owned) {
        station.present_token(now, evse, &token);
    }
}
