//! The network of a hello as a site's tree.

use std::collections::BTreeMap;

use ringmain_domain::id::{CircuitId, EvseId, StationId};
use ringmain_domain::load::tree::{
    Circuit, Connection, Evse, EvseKey, Limit, Line, Output, PhasorFactor, PhasorRow, SiteTree,
};
use ringmain_domain::unit::Milliamps;

use super::wire::{Hello, Socket};
use super::{AllocatorError, wrong};

/// The line of a hello.
const HELLO: usize = 1;
/// Two figures of a list that differ by less are the same, in A.
const SAME_A: f64 = 1e-6;

/// A network with its limits of now.
pub(super) struct Network {
    pub(super) tree: SiteTree,
    pub(super) period_ms: i64,
    /// The place of an EVSE in the tree by its id here.
    pub(super) places: BTreeMap<String, usize>,
    circuits: Vec<Circuit>,
    evses: Vec<Evse>,
    /// Where the limit of a row is.
    rows: BTreeMap<String, Place>,
}

/// Where the limit of a row is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Line { circuit: usize, line: Line },
    Phasor { circuit: usize, row: usize },
}

/// A current of the wire in mA, rounded down; a hair below a whole one is that. `None` for what is no current, as one below 0.
#[expect(clippy::cast_possible_truncation, reason = "checked to be small")]
pub(super) fn milliamps(amps: f64) -> Option<Milliamps> {
    let milli = (amps * 1_000.0 + 1e-6).floor();
    (0.0..1e12).contains(&milli).then_some(Milliamps(milli as i64))
}

/// Microamperes as amperes.
#[expect(clippy::cast_precision_loss, reason = "currents have less than 53 bits")]
pub(super) fn amps(micro: i64) -> f64 {
    micro as f64 / 1e6
}

#[expect(clippy::cast_possible_truncation, reason = "bounded by the caller")]
fn thousandths(value: f64) -> i64 {
    (value * 1_000.0).round() as i64
}

/// A line by its number from 1.
pub(super) fn line(number: u8) -> Option<Line> {
    number.checked_sub(1).and_then(|place| Line::ALL.get(usize::from(place)).copied())
}

/// An EVSE's key by its id here.
pub(super) fn key(id: &str) -> Result<EvseKey, String> {
    let station = StationId::new(id).map_err(|error| error.to_string())?;
    Ok(EvseKey { station, evse: EvseId(1) })
}

// === impl Network ===

impl Network {
    pub(super) fn new(hello: Hello, is_ideal: bool) -> Result<Self, AllocatorError> {
        let period_ms = thousandths(hello.period_min.clamp(-1e6, 1e6) * 60.0);
        if period_ms <= 0 {
            return Err(wrong(HELLO, "hello.period_min", "a step has no length"));
        }
        if hello.limits.len() != hello.constraints.len() {
            let reason = format!("{} limits for {} constraints", hello.limits.len(), hello.constraints.len());
            return Err(wrong(HELLO, "hello.limits", reason));
        }
        let (circuits, rows) = if hello.tree.is_some() { tree(&hello)? } else { phasors(&hello)? };
        let mut evses = Vec::with_capacity(hello.evses.len());
        for (number, given) in hello.evses.iter().enumerate() {
            let path = |field: &str| format!("hello.evses[{number}].{field}");
            evses.push(
                socket(given, hello.tree.is_some(), is_ideal)
                    .map_err(|(field, reason)| wrong(HELLO, path(field), reason))?,
            );
        }
        let tree = SiteTree::new(circuits.clone(), evses.clone())
            .map_err(|source| AllocatorError::Tree { line: HELLO, source })?;
        let places =
            evses.iter().filter_map(|evse| Some((evse.key.station.to_string(), tree.place(&evse.key)?)));
        let places = places.collect();
        let mut network = Self { tree, period_ms, places, circuits, evses, rows };
        let limits = hello.constraints.iter().zip(&hello.limits).map(|(row, limit)| (row.id.clone(), *limit));
        network.move_limits(&limits.collect(), HELLO)?;
        Ok(network)
    }

    /// Takes new limits over; a negative one is 0.
    pub(super) fn move_limits(
        &mut self,
        limits: &BTreeMap<String, f64>,
        at: usize,
    ) -> Result<(), AllocatorError> {
        if limits.is_empty() {
            return Ok(());
        }
        for (id, limit) in limits {
            let place =
                *self.rows.get(id).ok_or_else(|| wrong(at, "limits", format!("{id:?} is no constraint")))?;
            let limit = milliamps(limit.max(0.0))
                .ok_or_else(|| wrong(at, format!("limits.{id}"), format!("{limit} is no current")))?;
            let (Place::Line { circuit, .. } | Place::Phasor { circuit, .. }) = place;
            let Some(circuit) = self.circuits.get_mut(circuit) else { continue };
            match place {
                Place::Line { line, .. } => {
                    if let Some(own) =
                        circuit.limit.line_ma.as_mut().and_then(|own| own.get_mut(line.index()))
                    {
                        *own = limit;
                    }
                }
                Place::Phasor { row, .. } => {
                    if let Some(row) = circuit.phasors.get_mut(row) {
                        row.limit_ma = limit;
                    }
                }
            }
        }
        self.tree = SiteTree::new(self.circuits.clone(), self.evses.clone())
            .map_err(|source| AllocatorError::Tree { line: at, source })?;
        Ok(())
    }
}

type Rows = (Vec<Circuit>, BTreeMap<String, Place>);

fn constraint(number: usize) -> String {
    format!("hello.constraints[{number}].id")
}

fn twice(number: usize, id: &str) -> AllocatorError {
    wrong(HELLO, constraint(number), format!("{id:?} is there twice"))
}

fn circuit_id(path: &str, id: &str) -> Result<CircuitId, AllocatorError> {
    CircuitId::new(id).map_err(|error| wrong(HELLO, path, error.to_string()))
}

/// Rows `<node>/L<line>` over a tree of nodes.
fn tree(hello: &Hello) -> Result<Rows, AllocatorError> {
    let mut circuits = Vec::new();
    let mut places = BTreeMap::new();
    for (number, node) in hello.tree.iter().flatten().enumerate() {
        let path = format!("hello.tree[{number}]");
        let parent = node.parent.as_deref().map(|parent| circuit_id(&path, parent)).transpose()?;
        // A line without a row has no limit that matters; 1 MA is the most a tree knows.
        circuits.push(Circuit::new(circuit_id(&path, &node.id)?, parent, [Milliamps(1_000_000_000); 3]));
        places.insert(node.id.as_str(), number);
    }
    let mut rows = BTreeMap::new();
    for (number, row) in hello.constraints.iter().enumerate() {
        let parts = row.id.rsplit_once("/L");
        let place = parts.and_then(|(node, number)| {
            Some(Place::Line { circuit: *places.get(node)?, line: line(number.parse().ok()?)? })
        });
        let reason = || format!("{:?} is no `<node>/L<line>` of the tree", row.id);
        let place = place.ok_or_else(|| wrong(HELLO, constraint(number), reason()))?;
        if rows.insert(row.id.clone(), place).is_some() {
            return Err(twice(number, &row.id));
        }
    }
    Ok((circuits, rows))
}

/// Rows of phasors over all EVSEs at one circuit.
fn phasors(hello: &Hello) -> Result<Rows, AllocatorError> {
    let angles: BTreeMap<&str, f64> =
        hello.evses.iter().map(|evse| (evse.id.as_str(), evse.phase_deg)).collect();
    let mut grid = Circuit::new(circuit_id("hello", "grid")?, None, [Milliamps::ZERO; 3]);
    grid.limit = Limit::default();
    let mut rows = BTreeMap::new();
    for (number, row) in hello.constraints.iter().enumerate() {
        let path = format!("hello.constraints[{number}].coef");
        let mut factors = Vec::with_capacity(row.coef.len());
        for (id, ratio) in &row.coef {
            let angle = angles.get(id.as_str()).filter(|angle| angle.abs() < 1e6);
            let (Some(angle), true) = (angle, ratio.abs() < 1e3) else {
                return Err(wrong(
                    HELLO,
                    path,
                    format!("{id:?} is no EVSE, or its factor or angle is no number"),
                ));
            };
            factors.push(PhasorFactor {
                evse: key(id).map_err(|reason| wrong(HELLO, path.clone(), reason))?,
                ratio_millionths: thousandths(ratio * 1_000.0),
                angle_mdeg: thousandths(*angle),
            });
        }
        if rows.insert(row.id.clone(), Place::Phasor { circuit: 0, row: number }).is_some() {
            return Err(twice(number, &row.id));
        }
        grid.phasors.push(PhasorRow { name: row.id.as_str().into(), limit_ma: Milliamps::ZERO, factors });
    }
    Ok((vec![grid], rows))
}

/// Why an EVSE is refused: the field, and what is wrong with it.
type Refusal = (&'static str, String);

fn socket(given: &Socket, in_tree: bool, is_ideal: bool) -> Result<Evse, Refusal> {
    let key = key(&given.id).map_err(|reason| ("id", reason))?;
    let node =
        if in_tree { given.node.as_deref().ok_or(("node", "it is missing".to_owned()))? } else { "grid" };
    let lines: Option<Vec<Line>> = given.line_map.iter().map(|number| line(*number)).collect();
    let lines = lines.ok_or(("line_map", "lines are 1, 2 and 3".to_owned()))?;
    let (min, max, step) = levels(&given.allowed_a).ok_or_else(|| {
        ("allowed_A", "it is not 0 and evenly spaced currents above it, in ascending order".to_owned())
    })?;
    if given.voltage.fract() != 0.0 || !(1.0..=1_500.0).contains(&given.voltage) {
        return Err(("voltage", format!("{} is no whole number of volts from 1 to 1,500", given.voltage)));
    }
    let voltage = thousandths(given.voltage) / 1_000;
    Ok(Evse {
        key,
        circuit: CircuitId::new(node).map_err(|error| ("node", error.to_string()))?,
        voltage_v: u32::try_from(voltage).unwrap_or(0),
        lines: if in_tree { lines } else { vec![Line::L1] },
        connection: Connection::Neutral,
        output: Output::Ac,
        min_ma: if is_ideal { Milliamps::ZERO } else { min },
        max_ma: max,
        step_ma: if is_ideal { Milliamps(1) } else { step },
        can_switch_phases: false,
        rated_ma: max,
        fallback_ma: Milliamps::ZERO,
    })
}

/// Minimum, maximum and step of the currents an EVSE can be told.
fn levels(allowed: &[f64]) -> Option<(Milliamps, Milliamps, Milliamps)> {
    let above: Vec<f64> = allowed.iter().copied().filter(|amps| *amps != 0.0).collect();
    let (first, last) = (*above.first()?, *above.last()?);
    let step = above.get(1).map_or(1.0, |second| second - first);
    let is_even = above.windows(2).all(|pair| match pair {
        [lower, upper] => (upper - lower - step).abs() < SAME_A,
        _ => true,
    });
    let is_sane = first > 0.0 && step > 0.0 && is_even;
    let step = Milliamps(thousandths(step.clamp(0.0, 1e6)));
    is_sane.then_some(())?;
    Some((milliamps(first)?, milliamps(last)?, step))
}
