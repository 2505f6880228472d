//! P0: what the rows may carry now, and what is taken from them before any car is looked at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::CircuitId;
use crate::time::Timestamp;
use crate::unit::{Milliamps, Watts};

use super::policy::Policy;
use super::reason::Cause;
use super::rows::Rows;
use super::supply::{Battery, CircuitSupply, Readings, Supply};
use super::tree::{Line, SiteTree};

/// The instant a plan is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    /// The instant at which the age of readings counts. Earlier than `at` in a look ahead: there, what is read now lasts.
    pub(super) read_at: Timestamp,
}

/// What the plan found out about a circuit; only circuits with something to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitNote {
    /// Which.
    pub circuit: CircuitId,
    /// Its building load is missing, stale, frozen or impossible: the larger of design load and highest of the day counts.
    pub meter_stale: bool,
    /// What its battery is to give, per line, for the plan to hold; nothing where it has none.
    pub battery_ma: [Milliamps; 3],
    /// Is the sun enough for the minimum of those who charge? `None` where it is not asked. When it is, the site moves
    /// [`super::supply::SolarOnly::enough_at`] to now.
    pub solar_enough: Option<bool>,
    /// Its price windows do not count now, because a trusted departure would be missed.
    pub windows_lifted: bool,
}

/// The rows of an instant with everything that is not a car's share.
pub(super) struct Capacity<'t> {
    pub(super) rows: Rows<'t>,
    /// For each row, what set its limit; the circuit's own where absent.
    pub(super) causes: BTreeMap<usize, Cause>,
    pub(super) notes: Vec<CircuitNote>,
}

/// The uncontrolled load of a circuit, and whether its meter is to be believed.
struct Uncontrolled {
    /// Without sun and batteries: what circuits above count when they have no reading.
    load: [Milliamps; 3],
    /// What its batteries take, and those of the circuits below it: no reading of a building has it, so all circuits above count it.
    takes: [Milliamps; 3],
    /// What the circuit's own rows lose.
    lines: [Milliamps; 3],
    is_stale: bool,
    has_meter: bool,
}

const NOTHING: [Milliamps; 3] = [Milliamps::ZERO; 3];

// === impl Capacity ===

impl<'t> Capacity<'t> {
    /// `minima_w`: for each circuit, what the cars below that charge take at their minimum.
    pub(super) fn new(
        tree: &'t SiteTree,
        supply: &Supply,
        minima_w: &[Watts],
        windows_lifted: bool,
        moment: Moment,
    ) -> Self {
        let mut capacity = Self { rows: tree.rows(moment.at), causes: BTreeMap::new(), notes: Vec::new() };
        for (place, circuit) in tree.circuits().iter().enumerate() {
            let known = supply.circuits.get(&circuit.id);
            let load = capacity.reserve(tree, supply, place, moment.read_at);
            let Some(known) = known else { continue };
            let mut note = CircuitNote {
                circuit: circuit.id.clone(),
                meter_stale: load.has_meter && load.is_stale,
                battery_ma: NOTHING,
                solar_enough: None,
                windows_lifted: false,
            };
            capacity.signals(place, known, moment.at);
            capacity.soft(place, known, &supply.policy, minima_w, windows_lifted, &mut note, moment);
            capacity.notes.push(note);
        }
        capacity
    }

    /// Takes what nobody controls off a circuit's rows.
    fn reserve(&mut self, tree: &SiteTree, supply: &Supply, place: usize, now: Timestamp) -> Uncontrolled {
        let load = uncontrolled(tree, supply, place, now);
        let margin = tree.circuits().get(place).map_or(NOTHING, |circuit| circuit.margin_ma);
        self.rows.add_reserve(place, Line::ALL.map(|line| line.of(load.lines).plus(line.of(margin))));
        load
    }

    fn signals(&mut self, place: usize, known: &CircuitSupply, now: Timestamp) {
        for signal in known.signals.iter().filter(|signal| signal.holds(now)) {
            let cause = || Cause::Signal { source: signal.source.clone() };
            if signal.limit.line_ma.is_some_and(|lines| self.rows.cap_lines(place, lines)) {
                self.explain(place, &Line::ALL.map(Line::index), cause());
            }
            if signal.limit.power_w.is_some_and(|power| self.rows.cap_power(place, power)) {
                self.explain(place, &[3], cause());
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one step of the constructor, named for reading")]
    fn soft(
        &mut self,
        place: usize,
        known: &CircuitSupply,
        policy: &Policy,
        minima_w: &[Watts],
        windows_lifted: bool,
        note: &mut CircuitNote,
        moment: Moment,
    ) {
        let now = moment.at;
        if let Some(peak) = &known.peak
            && self.rows.cap_power(place, peak.power(now))
        {
            self.explain(place, &[3], Cause::PeakTarget);
        }
        for window in known.windows.iter().filter(|window| window.holds(now)) {
            if windows_lifted {
                note.windows_lifted = true;
            } else if self.cap_charging(place, window.charging_w) {
                self.explain(place, &[3], Cause::PriceWindow { until: window.until });
            }
        }
        if let Some(solar) = &known.solar_only {
            let is_fresh = moment.read_at.millis_since(solar.at) <= policy.stale_ms;
            let surplus = if is_fresh { solar.surplus_w.max(Watts::ZERO) } else { Watts::ZERO };
            let minimum = minima_w.get(place).copied().unwrap_or_default();
            let is_enough = surplus >= minimum;
            note.solar_enough = Some(is_enough);
            let bridges = solar.enough_at.is_some_and(|enough| now.millis_since(enough) < policy.hold_ms);
            let limit = if is_enough || !bridges { surplus } else { minimum };
            if self.cap_charging(place, limit) {
                self.explain(place, &[3], Cause::Solar);
            }
        }
    }

    /// Bounds what the cars below take together: their power comes on top of what is reserved.
    fn cap_charging(&mut self, place: usize, power: Watts) -> bool {
        let reserve_mw = self.rows.number(place, 3).map_or(0, |row| self.rows.reserve(row));
        // Rounded down, so that a soft limit is kept too.
        self.rows.cap_power(place, Watts(reserve_mw.div_euclid(1_000).saturating_add(power.0)))
    }

    fn explain(&mut self, place: usize, offsets: &[usize], cause: Cause) {
        for offset in offsets {
            if let Some(row) = self.rows.number(place, *offset) {
                self.causes.insert(row, cause.clone());
            }
        }
    }

    /// The set-points: what each battery must give so that its circuit's lines hold with these loads, at most its promise.
    pub(super) fn ask_batteries(
        &mut self,
        tree: &SiteTree,
        supply: &Supply,
        loads_ma: impl Fn(usize) -> i64,
        now: Timestamp,
    ) {
        for note in &mut self.notes {
            let Some(battery) = supply.circuits.get(&note.circuit).and_then(|known| known.battery) else {
                continue;
            };
            let Some(place) = tree.circuit_place(&note.circuit) else { continue };
            if now.millis_since(battery.at) > supply.policy.stale_ms {
                continue;
            }
            note.battery_ma = set_point(&self.rows, place, &battery, &loads_ma);
        }
    }
}

/// What a battery must give so that its circuit's rows hold with these loads, which have its promise taken off: without it they would be that
/// much higher. Where power or a sum of arrows is full, so large a part of the promise on each line as it takes there.
fn set_point(
    rows: &Rows<'_>,
    place: usize,
    battery: &Battery,
    load_of: &impl Fn(usize) -> i64,
) -> [Milliamps; 3] {
    let promise = battery.promised_ma.map(|line| line.0.max(0));
    let excess = |row: usize, promised: i64| {
        let limit = rows.limit(row).unwrap_or(i64::MAX);
        load_of(row).saturating_add(promised).saturating_sub(limit).clamp(0, promised)
    };
    // In millionths of the promise, rounded up.
    let part = |row: usize, promised: i64| {
        let millionths = excess(row, promised).saturating_mul(1_000_000);
        if promised > 0 { millionths.saturating_add(promised - 1) / promised } else { 0 }
    };
    let beyond = rows.beyond_lines(place, promise.map(Milliamps)).into_iter();
    let whole = beyond.map(|(row, promised)| part(row, promised)).max().unwrap_or(0);
    Line::ALL.map(|line| {
        let promised = promise.get(line.index()).copied().unwrap_or(0);
        let needed = rows.number(place, line.index()).map_or(0, |row| excess(row, promised));
        let share = promised.saturating_mul(whole).saturating_add(999_999) / 1_000_000;
        Milliamps(needed.max(share).min(promised))
    })
}

/// What each battery must give so that everything that holds whatever anybody wishes holds with these currents of the EVSEs.
#[must_use]
pub fn set_points(
    tree: &SiteTree,
    supply: &Supply,
    currents: &[Milliamps],
    now: Timestamp,
) -> BTreeMap<CircuitId, [Milliamps; 3]> {
    let rows = hard_rows(tree, supply, now);
    let loads: BTreeMap<usize, i64> =
        rows.usage(currents).into_iter().map(|usage| (usage.row, usage.load)).collect();
    let load_of = |row: usize| loads.get(&row).copied().unwrap_or(0);
    let batteries = supply.circuits.iter().filter_map(|(circuit, known)| {
        let place = tree.circuit_place(circuit)?;
        let battery = known.battery?;
        let is_heard = now.millis_since(battery.at) <= supply.policy.stale_ms;
        let asked = if is_heard { set_point(&rows, place, &battery, &load_of) } else { NOTHING };
        Some((circuit.clone(), asked))
    });
    batteries.collect()
}

/// The rows of an instant with all that holds whatever anybody wishes: limits, limits from outside, and the load that nobody controls. No peak
/// target, price window or sun: those are the plan's business.
#[must_use]
pub fn hard_rows<'t>(tree: &'t SiteTree, supply: &Supply, now: Timestamp) -> Rows<'t> {
    let mut capacity = Capacity { rows: tree.rows(now), causes: BTreeMap::new(), notes: Vec::new() };
    for (place, circuit) in tree.circuits().iter().enumerate() {
        capacity.reserve(tree, supply, place, now);
        if let Some(known) = supply.circuits.get(&circuit.id) {
            capacity.signals(place, known, now);
        }
    }
    capacity.rows
}

/// A circuit's own fresh reading; without one the larger of what it was designed for, the highest of the day, and what the
/// circuits below it have together. Sun and what a battery gives count at the circuit where they are measured, not above it; what a battery
/// takes counts there too.
fn uncontrolled(tree: &SiteTree, supply: &Supply, place: usize, now: Timestamp) -> Uncontrolled {
    let Some(circuit) = tree.circuits().get(place) else {
        return Uncontrolled {
            load: NOTHING,
            takes: NOTHING,
            lines: NOTHING,
            is_stale: false,
            has_meter: false,
        };
    };
    let policy = &supply.policy;
    let known = supply.circuits.get(&circuit.id);
    let measured = known.and_then(|known| building(known, policy, now));
    let plus = |a: [Milliamps; 3], b: [Milliamps; 3]| Line::ALL.map(|line| line.of(a).plus(line.of(b)));
    let below = tree.layout().children(place).iter().map(|child| uncontrolled(tree, supply, *child, now));
    let (below, below_takes) = below
        .fold((NOTHING, NOTHING), |(load, takes), child| (plus(load, child.load), plus(takes, child.takes)));
    let assumed = || {
        let highest = known.map_or(NOTHING, |known| known.highest_24h_ma);
        Line::ALL.map(|line| line.of(circuit.design_load_ma).max(line.of(highest)).max(line.of(below)))
    };
    let load = measured.unwrap_or_else(assumed);
    let sun = known.and_then(|known| extreme(&known.solar, policy, now, Milliamps::min)).unwrap_or(NOTHING);
    let (gives, own_takes) = match known.and_then(|known| known.battery) {
        Some(battery) if now.millis_since(battery.at) <= policy.stale_ms => {
            (battery.promised_ma, battery.charging_ma)
        }
        Some(battery) => (NOTHING, battery.charging_max_ma),
        None => (NOTHING, NOTHING),
    };
    let least = |value: Milliamps| value.max(Milliamps::ZERO);
    let takes = plus(own_takes.map(least), below_takes);
    let gross = plus(load, takes);
    let lines = Line::ALL.map(|line| line.of(gross).minus(least(line.of(sun))).minus(least(line.of(gives))));
    // A meter that was heard before a restart, and not since, is silent too.
    let was_heard =
        |known: &CircuitSupply| known.building != Readings::default() || known.highest_24h_ma != NOTHING;
    let has_meter = circuit.meter_id.is_some() || known.is_some_and(was_heard);
    Uncontrolled { load, takes, lines, is_stale: measured.is_none(), has_meter }
}

/// The highest of the last minute, unless the meter is not to be believed.
fn building(known: &CircuitSupply, policy: &Policy, now: Timestamp) -> Option<[Milliamps; 3]> {
    let is_bad = known.building.is_frozen(now)
        || known
            .building
            .fresh(now, policy)
            .last()
            .is_some_and(|reading| !known.is_possible(&reading.line_ma));
    if is_bad { None } else { extreme(&known.building, policy, now, Milliamps::max) }
}

fn extreme(
    readings: &Readings,
    policy: &Policy,
    now: Timestamp,
    pick: fn(Milliamps, Milliamps) -> Milliamps,
) -> Option<[Milliamps; 3]> {
    let fresh = readings.fresh(now, policy).map(|reading| reading.line_ma);
    fresh.reduce(|a, b| Line::ALL.map(|line| pick(line.of(a), line.of(b))))
}

/// The next moment at which what is given changes by itself.
pub(super) fn next_change(tree: &SiteTree, supply: &Supply, now: Timestamp) -> Option<Timestamp> {
    let policy = &supply.policy;
    let moments = supply.circuits.values().flat_map(|known| {
        let signals = known.signals.iter().flat_map(|signal| [Some(signal.from), signal.until]);
        let windows = known.windows.iter().flat_map(|window| [Some(window.from), Some(window.until)]);
        let stale = |at: Timestamp| at.plus_millis(policy.stale_ms.saturating_add(1));
        let solar = known.solar_only.map(|solar| {
            [Some(stale(solar.at)), solar.enough_at.map(|enough| enough.plus_millis(policy.hold_ms))]
        });
        let quarter = known.peak.map(|peak| peak.quarter_from.plus_secs(super::supply::QUARTER_S));
        let battery = known.battery.map(|battery| stale(battery.at));
        let readings = [known.building.stale_at(policy), known.solar.stale_at(policy), quarter, battery];
        signals.chain(windows).chain(readings).chain(solar.into_iter().flatten()).flatten()
    });
    moments.chain(tree.next_change(now)).filter(|at| *at > now).min()
}
