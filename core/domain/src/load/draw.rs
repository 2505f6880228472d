//! What a sample proves of the currents on an EVSE's lines.
//!
//! A station names its own phases; the EVSE's wiring says which of the site's lines they are. Where it told power alone, or a sum of
//! all phases, the currents are known within bounds, and each use takes the bound that cannot mislead it.

use crate::session::flow::{Flow, Phased};
use crate::unit::Milliamps;

use super::tree::{Evse, Line, Output};

/// How far the voltage may be from the nominal one, in percent: EN 50160 allows ten either way. Power over the nominal voltage is a
/// current within these bounds.
const VOLTAGE_PERCENT: i64 = 10;
/// A told voltage further from the configured one is another one (between two lines, of a battery), in percent.
const PLAUSIBLE_PERCENT: i64 = 20;
/// Of a power that the measured phases explain but for so many percent, nothing flows on the others.
const UNEXPLAINED_PERCENT: i64 = 10;
/// mA per W and mV, with an efficiency in thousandths.
const MA_PER_W_MV: i64 = 1_000_000_000;
const WHOLE_PERMILLE: i64 = 1_000;

/// What an EVSE takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// On the site's L1, L2, L3; spread evenly where only a sum was measured.
    pub lines_ma: [Milliamps; 3],
    /// Was each line measured?
    pub by_line: bool,
    /// Its busiest line carries so much at least.
    pub least: Milliamps,
    /// Its busiest line carries so much at most.
    pub most: Milliamps,
}

/// A current within bounds, in mA.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    least: i64,
    likely: i64,
    most: i64,
}

/// A voltage within bounds, in mV.
#[derive(Debug, Clone, Copy)]
struct Volts {
    low: i64,
    mid: i64,
    high: i64,
}

/// What the flow at an EVSE proves; `None` where it tells neither a current nor a power that can be used.
#[must_use]
pub fn drawn(evse: &Evse, flow: &Flow) -> Option<Drawn> {
    let lines = i64::try_from(evse.power_lines(evse.lines.len())).unwrap_or(1);
    match evse.output {
        // What it is told is a power too, over the same nominal voltage: whatever the net's is, both sides are right.
        Output::Dc { efficiency_permille } => {
            let nominal = nominal_mv(evse);
            let volts = Volts { low: nominal, mid: nominal, high: nominal };
            let permille = i64::from(efficiency_permille).max(1);
            Some(evenly(evse, currents(power_of(flow)?, volts, lines, permille)))
        }
        Output::Ac if lines == 1 => Some(evenly(evse, single(evse, flow)?)),
        Output::Ac => by_phase(evse, flow).or_else(|| by_sum(evse, flow, lines)),
    }
}

/// All lines of it carry the same current.
fn evenly(evse: &Evse, current: Bounds) -> Drawn {
    let lines_ma =
        Line::ALL.map(|line| Milliamps(if evse.lines.contains(&line) { current.likely } else { 0 }));
    Drawn { lines_ma, by_line: true, least: Milliamps(current.least), most: Milliamps(current.most) }
}

/// One current, whatever the station calls its phase.
fn single(evse: &Evse, flow: &Flow) -> Option<Bounds> {
    let told = flow.current_ma;
    let most = told.phases.into_iter().flatten().chain(told.whole).max();
    let by_power = power_of(flow).map(|watts| currents(watts, volts(evse, flow), 1, WHOLE_PERMILLE));
    most.filter(|current| is_measured(*current, by_power)).map(Bounds::exact).or(by_power)
}

fn by_phase(evse: &Evse, flow: &Flow) -> Option<Drawn> {
    let any = volts(evse, flow);
    let phase = |current: Option<i64>, power: Option<i64>, mv: Option<i64>| {
        let volts = mv.filter(|mv| is_plausible(evse, *mv)).map_or(any, Volts::exact);
        let by_power = power.map(|watts| currents(watts, volts, 1, WHOLE_PERMILLE));
        current.filter(|current| is_measured(*current, by_power)).map(Bounds::exact).or(by_power)
    };
    let Flow { current_ma, power_w, voltage_mv, .. } = flow;
    let told = current_ma.phases.into_iter().zip(power_w.phases).zip(voltage_mv.phases);
    let phases: Vec<Option<Bounds>> = told.map(|((current, power), mv)| phase(current, power, mv)).collect();
    let busiest = |bound: fn(&Bounds) -> i64| phases.iter().flatten().map(bound).max();
    let (least, most) = (busiest(|bounds| bounds.least)?, busiest(|bounds| bounds.most)?);
    let missing = phases.iter().take(evse.lines.len()).filter(|phase| phase.is_none()).count();
    let sum = phases.iter().flatten().fold(0_i64, |sum, phase| sum.saturating_add(phase.likely));
    let rest = match flow.power_w.whole {
        Some(watts) => Rest::of(watts, sum.saturating_mul(any.mid) / 1_000_000, any),
        None if missing > 0 => Rest::Unknown,
        None => Rest::Nothing,
    };
    if missing == 0 && matches!(rest, Rest::Power(_)) {
        // Some tell zeros for what they do not measure. No voltage makes so much power of these currents.
        return None;
    }
    let (other, most) = match rest {
        Rest::Nothing => (0, most),
        Rest::Power(current) => {
            let share = current.likely / i64::try_from(missing).unwrap_or(1).max(1);
            (share, most.max(current.most))
        }
        // As much as the busiest one, for all that is known.
        Rest::Unknown => (most, i64::MAX),
    };
    let of_line = |line: Line| {
        let place = evse.lines.iter().position(|wired| *wired == line)?;
        Some(phases.get(place).copied().flatten().map_or(other, |phase| phase.likely))
    };
    Some(Drawn {
        lines_ma: Line::ALL.map(|line| Milliamps(of_line(line).unwrap_or(0))),
        by_line: matches!(rest, Rest::Nothing),
        least: Milliamps(least),
        most: Milliamps(most),
    })
}

/// The current of phases that were not measured beside others.
#[derive(Debug, Clone, Copy)]
enum Rest {
    Nothing,
    /// What the power of all leaves, as if it flowed on one.
    Power(Bounds),
    Unknown,
}

/// The car may take all of it from one line, or the same from each.
fn by_sum(evse: &Evse, flow: &Flow, lines: i64) -> Option<Drawn> {
    let volts = volts(evse, flow);
    let spread = |watts: i64| {
        let most = currents(watts, volts, 1, WHOLE_PERMILLE).most;
        Bounds { most, ..currents(watts, volts, lines, WHOLE_PERMILLE) }
    };
    // Some mean the sum of all lines by it, some the current of each.
    let shared = |current: i64| {
        let current = current.max(0);
        Bounds { least: current / lines, likely: current / lines, most: current }
    };
    let (power, current) = (flow.power_w.whole.map(spread), flow.current_ma.whole.map(shared));
    let both = match (power, current) {
        // No car takes that: one of them is not measured, and a power is never made up.
        (Some(a), Some(b)) if a.least > b.most => a,
        (Some(a), Some(b)) => {
            Bounds { least: a.least.max(b.least), likely: a.likely, most: a.most.min(b.most) }
        }
        (one, other) => one.or(other)?,
    };
    Some(Drawn { by_line: false, ..evenly(evse, both) })
}

/// The power of all phases.
fn power_of(flow: &Flow) -> Option<i64> {
    let Phased { phases, whole } = flow.power_w;
    whole.or_else(|| phases.into_iter().flatten().reduce(i64::saturating_add))
}

/// A zero beside a power is told for what is not measured.
fn is_measured(current: i64, by_power: Option<Bounds>) -> bool {
    current > 0 || by_power.is_none_or(|power| power.least == 0)
}

fn nominal_mv(evse: &Evse) -> i64 {
    i64::from(evse.voltage_v.max(1)).saturating_mul(1_000)
}

fn is_plausible(evse: &Evse, mv: i64) -> bool {
    let nominal = nominal_mv(evse);
    mv.saturating_sub(nominal).saturating_abs() <= nominal.saturating_mul(PLAUSIBLE_PERCENT) / 100
}

/// The voltage that the station told, or the configured one with what a net may be off it.
fn volts(evse: &Evse, flow: &Flow) -> Volts {
    let told = flow.voltage_mv.phases.into_iter().chain([flow.voltage_mv.whole]).flatten();
    let told = told.filter(|mv| is_plausible(evse, *mv));
    let (nominal, off) = (nominal_mv(evse), nominal_mv(evse).saturating_mul(VOLTAGE_PERCENT) / 100);
    match told.clone().min().zip(told.max()) {
        Some((low, high)) => Volts { low, mid: i64::midpoint(low, high), high },
        None => Volts { low: nominal.saturating_sub(off), mid: nominal, high: nominal.saturating_add(off) },
    }
}

/// The current on each of so many lines that carry a power alike.
fn currents(power_w: i64, volts: Volts, lines: i64, permille: i64) -> Bounds {
    let scaled = power_w.max(0).saturating_mul(MA_PER_W_MV);
    let per_ma = |mv: i64| mv.saturating_mul(lines).saturating_mul(permille).max(1);
    let up = |mv: i64| scaled.saturating_add(per_ma(mv) - 1) / per_ma(mv);
    Bounds { least: scaled / per_ma(volts.high), likely: up(volts.mid), most: up(volts.low) }
}

// === impl Bounds ===

impl Bounds {
    fn exact(current: i64) -> Self {
        let current = current.max(0);
        Self { least: current, likely: current, most: current }
    }
}

// === impl Volts ===

impl Volts {
    const fn exact(mv: i64) -> Self {
        Self { low: mv, mid: mv, high: mv }
    }
}

// === impl Rest ===

impl Rest {
    fn of(power_w: i64, explained_w: i64, volts: Volts) -> Self {
        let rest_w = power_w.saturating_sub(explained_w).max(0);
        if rest_w <= power_w.max(0).saturating_mul(UNEXPLAINED_PERCENT) / 100 {
            return Self::Nothing;
        }
        Self::Power(currents(rest_w, volts, 1, WHOLE_PERMILLE))
    }
}
