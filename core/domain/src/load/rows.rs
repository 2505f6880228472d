//! The limits of a tree as rows: one inequality for each line of a circuit, for its power, and for its sums of phasors.
//!
//! All sums are exact integers, in microamperes and microwatts; only the angles of phasor factors are rounded, once, to 1e-9.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::CircuitId;
use crate::time::Timestamp;
use crate::unit::{Milliamps, Watts};

use self::sums::Sums;
use super::tree::{Circuit, Connection, Evse, Firmness, Line, SiteTree};

mod angle;
pub(super) mod sums;

/// More than any row carries: no limit.
pub(super) const UNLIMITED: i64 = i64::MAX;
/// Microamperes in a milliampere, microwatts in a milliwatt.
pub(super) const MICRO: i64 = 1_000;
/// Volts of a net whose EVSEs do not tell.
const VOLTAGE_DEFAULT_V: u32 = 230;

/// What a row sums up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowKind {
    /// The currents on a line.
    Line(Line),
    /// The power on all lines.
    Power,
    /// Currents as phasors, under the row's name.
    Phasor(Box<str>),
}

/// One limit of one circuit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Whose.
    pub circuit: CircuitId,
    /// What it sums up.
    pub kind: RowKind,
    /// Must it never be missed?
    pub firmness: Firmness,
    /// The circuit's place in the tree.
    pub(super) place: usize,
}

/// How an EVSE counts in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coefficient {
    /// Its current on this line, once.
    Line(Line),
    /// Its current times so many volts: once for each line it uses, or once in all between two lines.
    Power {
        /// Volts.
        voltage_v: u32,
        /// How it is connected.
        connection: Connection,
    },
    /// Its current times a complex number, in 1e-9.
    Phasor {
        /// The real part.
        re_nano: i64,
        /// The imaginary part.
        im_nano: i64,
    },
}

/// A row an EVSE counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowUse {
    /// The row's number.
    pub row: usize,
    /// How.
    pub coefficient: Coefficient,
}

/// The rows of a tree without their limits, which move in time. Made once with the tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    rows: Vec<Row>,
    /// For each circuit the number of its L1 row; L2, L3, power and phasor rows follow.
    first: Vec<usize>,
    /// For each circuit the circuits directly below it.
    children: Vec<Vec<usize>>,
    /// For each circuit the volts that turn a reserve into power.
    voltage_v: Vec<u32>,
    /// For each EVSE the rows it counts in.
    uses: Vec<Vec<RowUse>>,
}

/// How full a row is, in its unit: mA for lines and phasor rows, mW for power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The row's number.
    pub row: usize,
    /// Currents and reserve, rounded up.
    pub load: i64,
    /// What it may carry, rounded down.
    pub limit: i64,
}

/// The rows of a tree at an instant, with what is reserved in them.
#[derive(Debug, Clone)]
pub struct Rows<'t> {
    pub(super) tree: &'t SiteTree,
    /// In micro-units.
    pub(super) limits: Vec<i64>,
    /// In micro-units.
    pub(super) reserves: Vec<i64>,
}

// === impl RowKind ===

impl fmt::Display for RowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "{line}"),
            Self::Power => f.write_str("power"),
            Self::Phasor(name) => f.write_str(name),
        }
    }
}

// === impl Layout ===

impl Layout {
    pub(super) fn new(tree: &SiteTree) -> Self {
        let mut layout = Self { uses: vec![Vec::new(); tree.evses().len()], ..Self::default() };
        for (place, circuit) in tree.circuits().iter().enumerate() {
            layout.first.push(layout.rows.len());
            let kinds = Line::ALL.into_iter().map(RowKind::Line).chain([RowKind::Power]);
            let kinds = kinds.chain(circuit.phasors.iter().map(|row| RowKind::Phasor(row.name.clone())));
            layout.rows.extend(kinds.map(|kind| Row {
                circuit: circuit.id.clone(),
                kind,
                firmness: circuit.firmness,
                place,
            }));
        }
        layout.children = vec![Vec::new(); tree.circuits().len()];
        for (place, circuit) in tree.circuits().iter().enumerate() {
            let parent = circuit.parent.as_ref().and_then(|parent| tree.circuit_place(parent));
            if let Some(children) = parent.and_then(|parent| layout.children.get_mut(parent)) {
                children.push(place);
            }
        }
        layout.voltage_v = vec![0; tree.circuits().len()];
        for (place, evse) in tree.evses().iter().enumerate() {
            layout.place(tree, place, evse);
        }
        layout
    }

    fn place(&mut self, tree: &SiteTree, place: usize, evse: &Evse) {
        let Some(uses) = self.uses.get_mut(place) else { return };
        for circuit in tree.path(place) {
            let Some(first) = self.first.get(*circuit) else { continue };
            if let Some(voltage) = self.voltage_v.get_mut(*circuit) {
                *voltage = evse.voltage_v.max(*voltage);
            }
            uses.extend(
                evse.lines
                    .iter()
                    .map(|line| RowUse { row: first + line.index(), coefficient: Coefficient::Line(*line) }),
            );
            uses.push(RowUse {
                row: first + 3,
                coefficient: Coefficient::Power { voltage_v: evse.voltage_v, connection: evse.connection },
            });
            let phasors = tree.circuits().get(*circuit).map_or(&[][..], |circuit| &circuit.phasors);
            for (number, row) in phasors.iter().enumerate() {
                if let Some(factor) = row.factors.iter().find(|factor| factor.evse == evse.key) {
                    let (re_nano, im_nano) = angle::split(factor.ratio_millionths, factor.angle_mdeg);
                    let coefficient = Coefficient::Phasor { re_nano, im_nano };
                    uses.push(RowUse { row: first + 4 + number, coefficient });
                }
            }
        }
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The circuits directly below one.
    pub(super) fn children(&self, circuit: usize) -> &[usize] {
        self.children.get(circuit).map_or(&[], Vec::as_slice)
    }

    pub(super) fn uses(&self, evse: usize) -> &[RowUse] {
        self.uses.get(evse).map_or(&[], Vec::as_slice)
    }
}

// === impl Usage ===

impl Usage {
    /// Is the row over its limit?
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.load > self.limit
    }

    /// Is it fuller than another, by the share of its limit?
    fn is_fuller_than(&self, other: &Self) -> bool {
        let cross = |load: i64, limit: i64| i128::from(load) * i128::from(limit.max(1));
        cross(self.load, other.limit) > cross(other.load, self.limit)
    }
}

// === impl Rows ===

impl<'t> Rows<'t> {
    /// The rows with the limits configured for `now`, nothing reserved.
    #[must_use]
    pub fn new(tree: &'t SiteTree, now: Timestamp) -> Self {
        let count = tree.layout().rows.len();
        let mut rows = Self { tree, limits: vec![UNLIMITED; count], reserves: vec![0; count] };
        for (place, circuit) in tree.circuits().iter().enumerate() {
            rows.configure(place, circuit, now);
        }
        rows
    }

    fn configure(&mut self, place: usize, circuit: &Circuit, now: Timestamp) {
        let limit = circuit.limit_at(now);
        if let Some(lines) = limit.line_ma {
            self.cap_lines(place, lines);
        }
        if let Some(power) = limit.power_w {
            self.cap_power(place, power);
        }
        for (number, row) in circuit.phasors.iter().enumerate() {
            self.cap(place, 4 + number, row.limit_ma.0.saturating_mul(MICRO));
        }
    }

    fn cap(&mut self, place: usize, offset: usize, limit: i64) -> bool {
        let number = self.tree.layout().first.get(place).map(|first| first + offset);
        let Some(own) = number.and_then(|number| self.limits.get_mut(number)) else { return false };
        let is_lower = limit < *own;
        *own = limit.min(*own);
        is_lower
    }

    /// Lowers the limits of a circuit's lines to these; a higher value changes nothing. Tells whether one was lowered.
    pub fn cap_lines(&mut self, circuit: usize, lines_ma: [Milliamps; 3]) -> bool {
        let lowered =
            Line::ALL.map(|line| self.cap(circuit, line.index(), line.of(lines_ma).0.saturating_mul(MICRO)));
        lowered.contains(&true)
    }

    /// Lowers the power limit of a circuit to this; a higher value changes nothing. Tells whether it was lowered.
    pub fn cap_power(&mut self, circuit: usize, power: Watts) -> bool {
        self.cap(circuit, 3, power.0.saturating_mul(MICRO * MICRO))
    }

    /// Takes a load that nobody controls, per line, off a circuit's rows: off its lines, off its power at its voltage, and off
    /// its phasor rows as if all of it had the worst angle. Negative values give room.
    pub fn add_reserve(&mut self, circuit: usize, lines_ma: [Milliamps; 3]) {
        let layout = self.tree.layout();
        let Some(first) = layout.first.get(circuit).copied() else { return };
        for (offset, part) in self.parts(circuit, lines_ma).into_iter().enumerate() {
            if let Some(reserve) = self.reserves.get_mut(first + offset) {
                *reserve = reserve.saturating_add(part.saturating_mul(MICRO));
            }
        }
    }

    /// What lines of a circuit mean for each of its rows: mA on the lines, mW in power, the worst line where arrows are added up.
    fn parts(&self, circuit: usize, lines_ma: [Milliamps; 3]) -> Vec<i64> {
        let voltage = self.tree.layout().voltage_v.get(circuit).copied();
        let voltage = i64::from(voltage.filter(|volts| *volts > 0).unwrap_or(VOLTAGE_DEFAULT_V));
        let sum = lines_ma.iter().fold(0_i64, |sum, line| sum.saturating_add(line.0));
        let worst = lines_ma.iter().map(|line| line.0).max().unwrap_or(0).max(0);
        let phasors = self.tree.circuits().get(circuit).map_or(0, |circuit| circuit.phasors.len());
        let lines = lines_ma.iter().map(|line| line.0).chain([sum.saturating_mul(voltage)]);
        lines.chain(std::iter::repeat_n(worst, phasors)).collect()
    }

    /// The rows of a circuit beyond its lines, each with what these lines mean there.
    pub(super) fn beyond_lines(&self, circuit: usize, lines_ma: [Milliamps; 3]) -> Vec<(usize, i64)> {
        let Some(first) = self.tree.layout().first.get(circuit).copied() else { return Vec::new() };
        let parts = self.parts(circuit, lines_ma).into_iter().enumerate();
        parts.skip(Line::ALL.len()).map(|(offset, part)| (first + offset, part)).collect()
    }

    /// The tree's rows: for each circuit L1, L2, L3, power, then its phasor rows.
    #[must_use]
    pub fn all(&self) -> &'t [Row] {
        self.tree.layout().rows()
    }

    /// The number of a circuit's row: 0 to 2 its lines, 3 its power, then its phasor rows.
    pub(super) fn number(&self, circuit: usize, offset: usize) -> Option<usize> {
        self.tree.layout().first.get(circuit).map(|first| first + offset)
    }

    /// A row by its number.
    #[must_use]
    pub fn row(&self, number: usize) -> Option<&'t Row> {
        self.all().get(number)
    }

    /// What a row may carry, in its unit (mA or mW); `None` where there is no limit.
    #[must_use]
    pub fn limit(&self, number: usize) -> Option<i64> {
        self.limits.get(number).filter(|limit| **limit != UNLIMITED).map(|limit| limit.div_euclid(MICRO))
    }

    /// What is reserved in a row, in its unit.
    #[must_use]
    pub fn reserve(&self, number: usize) -> i64 {
        self.reserves.get(number).map_or(0, |reserve| reserve.div_euclid(MICRO))
    }

    /// The rows an EVSE counts in, limited or not, with its coefficient in each; in no order that matters.
    #[must_use]
    pub fn uses(&self, evse: usize) -> &'t [RowUse] {
        self.tree.layout().uses(evse)
    }

    /// How full the limited rows are when each EVSE draws its current on all lines it is wired to. One value for each EVSE of
    /// the tree, in its order; what is missing counts as 0.
    #[must_use]
    pub fn usage(&self, currents: &[Milliamps]) -> Vec<Usage> {
        let by_line: Vec<[Milliamps; 3]> = (self.tree.evses().iter().zip(currents))
            .map(|(evse, current)| {
                Line::ALL.map(|line| if evse.lines.contains(&line) { *current } else { Milliamps::ZERO })
            })
            .collect();
        self.usage_by_line(&by_line)
    }

    /// How full the limited rows are when each EVSE draws these currents on L1, L2 and L3 of the site.
    #[must_use]
    pub fn usage_by_line(&self, currents: &[[Milliamps; 3]]) -> Vec<Usage> {
        let mut sums = self.empty();
        for (evse, lines) in currents.iter().enumerate() {
            let micro = lines.map(|line| line.0.saturating_mul(MICRO));
            sums.add(self.uses(evse), micro);
        }
        (0..self.limits.len())
            .filter_map(|row| {
                let limit = self.limit(row)?;
                Some(Usage { row, load: div_up(sums.of(row), MICRO), limit })
            })
            .collect()
    }

    /// Does every row hold for these currents, and which is the fullest? The order of equals is that of the rows.
    #[must_use]
    pub fn verdict(&self, currents: &[Milliamps]) -> (bool, Option<Usage>) {
        let usage = self.usage(currents);
        let holds = usage.iter().all(|row| !row.is_over());
        (holds, usage.into_iter().reduce(|best, row| if row.is_fuller_than(&best) { row } else { best }))
    }

    /// Sums that hold nothing but the reserves.
    pub(super) fn empty(&self) -> Sums {
        Sums::new(self.reserves.clone())
    }
}

fn div_up(value: i64, by: i64) -> i64 {
    value.div_euclid(by) + i64::from(value.rem_euclid(by) != 0)
}
