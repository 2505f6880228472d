//! The running figures of an open session, kept cheaply from message to message. The fold has the last word.
//!
//! A session that goes on carries the stretches up to its last reading and what was said since, so its cost so far is that of the fold of the
//! same messages, when they came in order, without reading them all again for each. Of more than 100 stretches
//! neighbours are joined: power, current and time are then known less finely, energy and the split of time are not.

use serde::{Deserialize, Serialize};

use super::meter::{self, Gain, Readings};
use super::{Session, fold, periods};
use crate::id::{StationId, TenantId};
use crate::segment::{Activity, Segment, at_most};
use crate::time::Timestamp;
use crate::transaction::TransactionFact;
use crate::unit::WattHours;

mod packed;

/// The most stretches that a session carries: a reading a minute for an hour and a half, each of another power.
const STRETCHES_MAX: usize = 100;
/// The most changes of the station's state, and the most readings of the current, between two readings of energy.
const SINCE_MAX: usize = 32;

/// What an open session knows of its course.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Running {
    /// From the start to the last reading of energy, in order and without gaps; at most 100.
    #[serde(with = "packed")]
    stretches: Vec<Segment>,
    /// Of these: milliseconds in which energy flowed, and in which none did.
    split_ms: (i64, i64),
    /// Where they end.
    read_until: Timestamp,
    /// The last register: when it was read, and how high it stood.
    register: Option<(Timestamp, i64)>,
    /// From what the energy is told.
    source: Source,
    /// What the station said it does, from when on: the last word before `read_until`, and each change since.
    states: Vec<(Timestamp, bool)>,
    /// When it last said so.
    state_at: Option<Timestamp>,
    /// The current since `read_until`: (when, mA).
    currents: Vec<(Timestamp, i64)>,
}

/// What tells the energy, the better the later: what was counted by one is counted anew when a better one speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    /// Nothing yet.
    #[default]
    None,
    /// Energies of intervals that are told by the clock.
    Clock,
    /// Energies of intervals that are told on a timer.
    Timer,
    /// Two readings of a register.
    Register,
}

/// No more than [`STRETCHES_MAX`]: neighbours of one kind as one, two by two, and where that does not do, any.
fn no_more(stretches: Vec<Segment>) -> Vec<Segment> {
    if stretches.len() <= STRETCHES_MAX {
        return stretches;
    }
    let mut joined: Vec<Segment> = Vec::with_capacity(stretches.len());
    let mut is_pair = false;
    for stretch in stretches {
        match joined.last_mut() {
            Some(last) if !is_pair && last.activity == stretch.activity => {
                *last = last.joined(&stretch);
                is_pair = true;
            }
            _ => {
                joined.push(stretch);
                is_pair = false;
            }
        }
    }
    at_most(joined, STRETCHES_MAX)
}

// === impl Session ===

impl Session {
    /// A session that its first fact begins, before anything else is known.
    #[must_use]
    pub fn begin(tenant: &TenantId, station: &StationId, fact: &TransactionFact) -> Option<Self> {
        fold(tenant, station, std::slice::from_ref(fact)).map(|folded| folded.session)
    }

    /// The session with one more fact of an open transaction that came in order. Running figures only: the fold has the last word.
    #[must_use]
    pub fn advance(mut self, fact: &TransactionFact) -> Self {
        if fact.aside {
            return self;
        }
        let mut running = self.running.take().map_or_else(|| Running::rough(&self), |running| *running);
        self.learn(fact);
        let readings = Readings::of(&[fact]);
        running.take(fact, &readings, self.started_at);
        if let Some((at, wh)) = readings.last_register() {
            self.meter_first_wh = self.meter_first_wh.or(Some(wh));
            if self.meter_last_wh.is_none() || self.meter_last_at.is_none_or(|last| at >= last) {
                (self.meter_last_wh, self.meter_last_at) = (Some(wh), Some(at));
            }
        }
        if running.source < Source::Register {
            self.meter_last_at = self.meter_last_at.max(readings.last_at());
        }
        let since = running.since();
        self.energy = running.stretches.iter().fold(WattHours::ZERO, |sum, one| sum.plus(one.energy));
        self.charging_ms = running.split_ms.0.saturating_add(periods::millis(&since, Activity::Charging));
        self.parked_ms = running.split_ms.1.saturating_add(periods::millis(&since, Activity::Idle));
        self.running = Some(Box::new(running));
        self
    }

    /// The stretches of a session that goes on, as far as it is known: from these its cost so far is worked out.
    #[must_use]
    pub fn stretches(&self) -> Vec<Segment> {
        let running = self.running.as_deref().map_or_else(|| Running::rough(self), Running::clone);
        let since = running.since();
        periods::join(running.stretches.into_iter().chain(since).collect())
    }
}

// === impl Running ===

impl Running {
    /// What the facts of an open session, in the station's order, leave.
    pub(super) fn of(session: &Session, ordered: &[&TransactionFact]) -> Self {
        let mut running = Self { read_until: session.started_at, ..Self::default() };
        for fact in ordered {
            running.take(fact, &Readings::of(&[fact]), session.started_at);
        }
        running
    }

    /// Of a session that was stored before sessions carried it: all energy first, then all parking.
    fn rough(session: &Session) -> Self {
        let turn = session.started_at.plus_millis(session.charging_ms);
        let end = turn.plus_millis(session.parked_ms);
        let mut stretches = vec![
            Segment::new(session.started_at, turn, session.energy, Activity::Charging),
            Segment::new(turn, end, WattHours::ZERO, Activity::Idle),
        ];
        stretches.retain(|stretch| stretch.millis() > 0 || stretch.energy > WattHours::ZERO);
        for stretch in &mut stretches {
            stretch.power_w = periods::mean_power(stretch.energy.0, stretch.millis());
        }
        let measured = session.energy > WattHours::ZERO;
        Self {
            stretches,
            split_ms: (session.charging_ms, session.parked_ms),
            read_until: end,
            register: session.meter_last_at.zip(session.meter_last_wh),
            source: if measured { Source::Register } else { Source::None },
            ..Self::default()
        }
    }

    fn take(&mut self, fact: &TransactionFact, readings: &Readings, started_at: Timestamp) {
        if let Some(state) = periods::state(fact) {
            self.hear(state);
        }
        self.currents.extend(readings.currents());
        self.currents.sort_unstable();
        let gains = self.gains(readings, started_at);
        for gain in gains {
            self.grow(gain);
        }
        self.forget();
    }

    /// The station's word; only its changes are kept.
    fn hear(&mut self, (at, charging): (Timestamp, bool)) {
        self.state_at = self.state_at.max(Some(at));
        if self.states.last().is_none_or(|(_, was)| *was != charging) {
            self.states.push((at, charging));
            self.states.sort_by_key(|(at, _)| *at);
        }
    }

    /// What was gained by these readings, by the best source that has spoken so far.
    fn gains(&mut self, readings: &Readings, started_at: Timestamp) -> Vec<Gain> {
        let mut gains = Vec::new();
        for (at, wh) in readings.registers() {
            let Some((before, high)) = self.register.filter(|(before, _)| at >= before) else {
                self.register = self.register.or(Some((*at, *wh)));
                continue;
            };
            let (gained, high) = meter::climb(high, *wh);
            self.register = Some((*at, high));
            if *at > before || gained > 0 {
                gains.extend(self.listen(Source::Register, started_at, (before, *at, gained)));
            }
        }
        let source = if readings.is_by_timer() { Source::Timer } else { Source::Clock };
        let mut from = None;
        for (at, wh) in readings.intervals() {
            let after = from.unwrap_or(self.read_until);
            // Told again, or late: the fold will know.
            if *at <= after && after > started_at {
                continue;
            }
            gains.extend(self.listen(source, started_at, (after.min(*at), *at, (*wh).max(0))));
            from = Some(*at);
        }
        gains
    }

    /// A gain, if no better source has spoken before; if a worse one has, what it told is taken back.
    fn listen(&mut self, source: Source, started_at: Timestamp, gain: Gain) -> Option<Gain> {
        if source < self.source {
            return None;
        }
        let (mut from, to, wh) = gain;
        if source > self.source && self.source > Source::None {
            (self.stretches, self.split_ms, self.read_until) = (Vec::new(), (0, 0), started_at);
            if source < Source::Register {
                from = started_at;
            }
        }
        self.source = source;
        Some((from, to, wh))
    }

    /// Adds the stretches up to the end of a gain.
    fn grow(&mut self, gain: Gain) {
        let mut grown = Vec::new();
        self.read_until =
            periods::add(&mut grown, self.read_until, gain, Timestamp::from_millis(i64::MAX), &self.states);
        for stretch in &mut grown {
            stretch.current_ma = meter::current_ma(&self.currents, stretch.from, stretch.to);
        }
        self.split_ms.0 = self.split_ms.0.saturating_add(periods::millis(&grown, Activity::Charging));
        self.split_ms.1 = self.split_ms.1.saturating_add(periods::millis(&grown, Activity::Idle));
        self.stretches.append(&mut grown);
        self.stretches = no_more(periods::join(std::mem::take(&mut self.stretches)));
    }

    /// What was said after the last reading: nothing was gained in it as far as anybody knows.
    fn since(&self) -> Vec<Segment> {
        let mut since = Vec::new();
        let until = self.state_at.map_or(self.read_until, |at| at.max(self.read_until));
        periods::cut(&mut since, self.read_until, until, 0, &self.states);
        for stretch in &mut since {
            stretch.current_ma = meter::current_ma(&self.currents, stretch.from, stretch.to);
        }
        since
    }

    /// Drops what the last reading settled, and of too much that was said since the oldest: a short change and its way back, a current.
    fn forget(&mut self) {
        let settled = self.states.iter().rposition(|(at, _)| *at <= self.read_until).unwrap_or(0);
        self.states.drain(..settled.min(self.states.len()));
        while self.states.len() > SINCE_MAX {
            self.states.drain(1..3);
        }
        self.currents.retain(|(at, _)| *at > self.read_until);
        self.currents.drain(..self.currents.len().saturating_sub(SINCE_MAX));
    }
}
