//! The electrical tree of a site: grid connection, feeders, panels, cabinets, and the EVSEs on them.
//!
//! Currents are milliamperes per line, seen from the grid: a DC EVSE counts with what its cabinet takes, a third on each line.
//! A tree is checked whole when it is made; nothing past this point meets a cycle, a missing parent or a zero voltage.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{CircuitId, EvseId, StationId};
use crate::time::Timestamp;
use crate::unit::{Milliamps, Watts};

use super::rows::{Layout, Rows};

mod check;
pub mod fault;

/// The most EVSEs of one site.
pub const MAX_EVSES: usize = 2_000;
/// The most circuits of one site.
pub const MAX_CIRCUITS: usize = 1_000;
/// The most circuits from the grid connection to the one an EVSE hangs on, both counted.
pub const MAX_LEVELS: usize = 8;

/// A line conductor of the site, as its grid connection names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Line {
    /// The first.
    L1,
    /// The second.
    L2,
    /// The third.
    L3,
}

/// An EVSE by its station and number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EvseKey {
    /// The station.
    pub station: StationId,
    /// Its EVSE, from 1.
    pub evse: EvseId,
}

/// A limit that holds when it is missed only in a report, or one that must never be missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Firmness {
    /// In the ledger: never exceeded by our doing.
    #[default]
    Hard,
    /// In the plan only: missing it is a report, not a breach.
    Soft,
}

/// What a circuit may carry. Without either, only its parent's limits and its phasor rows count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Per line L1, L2, L3, in mA; not negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_ma: Option<[Milliamps; 3]>,
    /// All lines together, in W; not negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_w: Option<Watts>,
}

/// A limit that takes over on a date: the phased expansion of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitChange {
    /// From here on, until the next change.
    pub from: Timestamp,
    /// What holds then, whole: an absent part is no limit.
    pub limit: Limit,
}

/// One EVSE's share in a phasor row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhasorFactor {
    /// The EVSE.
    pub evse: EvseKey,
    /// How much of its current flows here, in millionths; negative for the opposite direction. A delta-wye transformer of
    /// 480 to 120 V makes 250,000 and -500,000.
    pub ratio_millionths: i64,
    /// The angle of its current, in thousandths of a degree.
    pub angle_mdeg: i64,
}

/// A limit on a sum of phasors: what a conductor or a winding carries where currents of different angles meet, as behind a
/// delta-wye transformer. |sum of ratio x current x e^(i angle)| <= limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhasorRow {
    /// Its name for people, such as `Primary A`.
    pub name: Box<str>,
    /// In mA.
    pub limit_ma: Milliamps,
    /// The EVSEs it feels; each below its circuit, each once.
    pub factors: Vec<PhasorFactor>,
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Circuit {
    /// Its id, unique in the site.
    pub id: CircuitId,
    /// The circuit that feeds it; `None` for the grid connection, of which there is one.
    #[serde(default)]
    pub parent: Option<CircuitId>,
    /// Its name for people; the id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// What it may carry until the first change.
    #[serde(default)]
    pub limit: Limit,
    /// Later limits, in the order of their dates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<LimitChange>,
    /// The highest uncontrolled load expected here and below, per line: what counts while its meter is silent. Less than what
    /// the circuits below expect together counts as that.
    #[serde(default)]
    pub design_load_ma: [Milliamps; 3],
    /// Kept free in any case, per line.
    #[serde(default)]
    pub margin_ma: [Milliamps; 3],
    /// Must the limit never be missed?
    #[serde(default)]
    pub firmness: Firmness,
    /// The meter that measures it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter_id: Option<Box<str>>,
    /// Limits on sums of phasors at this circuit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phasors: Vec<PhasorRow>,
}

/// How an EVSE is connected to its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// Between lines and neutral, as in 400/230 V nets: each line carries the current; the power is voltage x current x lines.
    #[default]
    Neutral,
    /// Between two lines, as in 208/240 V nets: both carry the same current; the power is voltage x current.
    LineToLine,
}

/// What an EVSE hands to the vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// The current of the lines.
    #[default]
    Ac,
    /// Direct current from a cabinet that takes its power from all three lines alike.
    Dc {
        /// DC power for 1,000 of AC power, in thousandths: 1 to 1,000.
        efficiency_permille: u16,
    },
}

/// An EVSE as its circuit sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evse {
    /// Which.
    pub key: EvseKey,
    /// The circuit that feeds it.
    pub circuit: CircuitId,
    /// Volts between its terminals: line to neutral, or line to line as its connection is. Not zero.
    pub voltage_v: u32,
    /// The site's lines in the order of its own phases: `[L2, L3, L1]` for a rotated one. 1 to 3, each once.
    pub lines: Vec<Line>,
    /// How it is connected to them.
    #[serde(default)]
    pub connection: Connection,
    /// What it hands out.
    #[serde(default)]
    pub output: Output,
    /// The least current a vehicle charges with, per line; 0 where there is no least.
    pub min_ma: Milliamps,
    /// The most it may be told to allow, per line.
    pub max_ma: Milliamps,
    /// Limits are the minimum and whole multiples of this above it; not zero.
    pub step_ma: Milliamps,
    /// Can it change between three lines and its first alone?
    #[serde(default)]
    pub can_switch_phases: bool,
    /// What it can draw when nobody limits it, per line; at least the maximum.
    pub rated_ma: Milliamps,
    /// What it may draw without a grant, per line (TxDefaultProfile): what an offline station's next vehicle starts under.
    pub fallback_ma: Milliamps,
}

/// A site's tree, checked. Circuits are in the order they were given; EVSEs are in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SiteTreeText", into = "SiteTreeText")]
pub struct SiteTree {
    circuits: Vec<Circuit>,
    evses: Vec<Evse>,
    /// For each circuit the places of the circuits above it, itself first, the grid connection last.
    paths: Vec<Vec<usize>>,
    /// For each EVSE the place of its circuit.
    homes: Vec<usize>,
    layout: Layout,
}

/// A tree as a file holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteTreeText {
    circuits: Vec<Circuit>,
    evses: Vec<Evse>,
}

// === impl Line ===

impl Line {
    /// All three.
    pub const ALL: [Self; 3] = [Self::L1, Self::L2, Self::L3];

    /// Its place in an array of three.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::L1 => 0,
            Self::L2 => 1,
            Self::L3 => 2,
        }
    }

    /// Its value of three.
    #[must_use]
    pub const fn of<T: Copy>(self, three: [T; 3]) -> T {
        let [first, second, third] = three;
        match self {
            Self::L1 => first,
            Self::L2 => second,
            Self::L3 => third,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
        })
    }
}

impl fmt::Display for EvseKey {
    /// `station/evse`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.station, self.evse)
    }
}

// === impl Limit ===

impl Limit {
    /// So much of it.
    #[must_use]
    pub(super) fn percent(self, percent: u32) -> Self {
        let lines = |lines: [Milliamps; 3]| lines.map(|line| Milliamps(percent_of(line.0, percent)));
        let power = |power: Watts| Watts(percent_of(power.0, percent));
        Self { line_ma: self.line_ma.map(lines), power_w: self.power_w.map(power) }
    }
}

fn percent_of(value: i64, percent: u32) -> i64 {
    value.saturating_mul(i64::from(percent)) / 100
}

// === impl Circuit ===

impl Circuit {
    /// A circuit with a limit per line and nothing else said.
    #[must_use]
    pub fn new(id: CircuitId, parent: Option<CircuitId>, line_ma: [Milliamps; 3]) -> Self {
        Self {
            id,
            parent,
            name: None,
            limit: Limit { line_ma: Some(line_ma), power_w: None },
            changes: Vec::new(),
            design_load_ma: [Milliamps::ZERO; 3],
            margin_ma: [Milliamps::ZERO; 3],
            firmness: Firmness::Hard,
            meter_id: None,
            phasors: Vec::new(),
        }
    }

    /// What people call it.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(self.id.as_str())
    }

    /// Its configured limit at an instant.
    #[must_use]
    pub fn limit_at(&self, now: Timestamp) -> Limit {
        self.changes.iter().rev().find(|change| change.from <= now).map_or(self.limit, |change| change.limit)
    }

    /// All limits it ever has.
    fn limits(&self) -> impl Iterator<Item = Limit> {
        std::iter::once(self.limit).chain(self.changes.iter().map(|change| change.limit))
    }
}

// === impl Evse ===

impl Evse {
    /// How many times voltage x current its power is, when it uses so many of its lines.
    #[must_use]
    pub const fn power_lines(&self, lines_used: usize) -> usize {
        match self.connection {
            Connection::Neutral => lines_used,
            Connection::LineToLine => 1,
        }
    }

    /// What flows into the vehicle at a current on all its lines, rounded down.
    #[must_use]
    pub fn vehicle_power(&self, current: Milliamps) -> Watts {
        let lines = i64::try_from(self.power_lines(self.lines.len())).unwrap_or(i64::MAX);
        let grid_mw = current.0.saturating_mul(i64::from(self.voltage_v)).saturating_mul(lines);
        let permille = match self.output {
            Output::Ac => 1_000,
            Output::Dc { efficiency_permille } => i64::from(efficiency_permille),
        };
        Watts(grid_mw.saturating_mul(permille) / 1_000_000)
    }
}

// === impl SiteTree ===

impl SiteTree {
    /// Checks circuits and EVSEs and makes a tree of them.
    ///
    /// # Errors
    /// [`fault::TreeError`] with everything that is wrong, each fault with the name of its circuit or EVSE.
    pub fn new(circuits: Vec<Circuit>, mut evses: Vec<Evse>) -> Result<Self, fault::TreeError> {
        evses.sort_by(|a, b| a.key.cmp(&b.key));
        let paths = check::shape(&circuits, &evses)?;
        let places: BTreeMap<&CircuitId, usize> =
            circuits.iter().enumerate().map(|(place, circuit)| (&circuit.id, place)).collect();
        let homes = evses.iter().filter_map(|evse| places.get(&evse.circuit).copied()).collect();
        let mut tree = Self { circuits, evses, paths, homes, layout: Layout::default() };
        tree.layout = Layout::new(&tree);
        check::fallbacks_fit(&tree)?;
        Ok(tree)
    }

    /// The same with all limits of the circuits at the top at so many percent. Fallbacks may not fit it any more: it is for
    /// looking ahead, and no site is managed with it.
    pub(super) fn with_root_limits(&self, percent: u32) -> Self {
        let mut tree = self.clone();
        for root in tree.circuits.iter_mut().filter(|circuit| circuit.parent.is_none()) {
            root.limit = root.limit.percent(percent);
            root.changes.iter_mut().for_each(|change| change.limit = change.limit.percent(percent));
            for row in &mut root.phasors {
                row.limit_ma = Milliamps(percent_of(row.limit_ma.0, percent));
            }
        }
        tree
    }

    /// The circuits, in the order they were given.
    #[must_use]
    pub fn circuits(&self) -> &[Circuit] {
        &self.circuits
    }

    /// The EVSEs, in the order of their keys: the order of every list of one value for each EVSE.
    #[must_use]
    pub fn evses(&self) -> &[Evse] {
        &self.evses
    }

    /// The place of an EVSE in [`Self::evses`].
    #[must_use]
    pub fn place(&self, key: &EvseKey) -> Option<usize> {
        self.evses.binary_search_by(|evse| evse.key.cmp(key)).ok()
    }

    /// The place of a circuit in [`Self::circuits`].
    #[must_use]
    pub fn circuit_place(&self, id: &CircuitId) -> Option<usize> {
        self.circuits.iter().position(|circuit| circuit.id == *id)
    }

    /// Its rows with the limits configured for an instant, nothing reserved in them.
    #[must_use]
    pub fn rows(&self, now: Timestamp) -> Rows<'_> {
        Rows::new(self, now)
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A circuit by its id.
    #[must_use]
    pub fn circuit(&self, id: &CircuitId) -> Option<&Circuit> {
        self.circuits.iter().find(|circuit| circuit.id == *id)
    }

    /// The places of an EVSE's circuits, its own first, the grid connection last; empty for a place without an EVSE.
    #[must_use]
    pub fn path(&self, evse: usize) -> &[usize] {
        self.homes.get(evse).and_then(|home| self.paths.get(*home)).map_or(&[], Vec::as_slice)
    }

    /// The next date after `now` on which a limit changes.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let dates = self.circuits.iter().flat_map(|circuit| circuit.changes.iter().map(|change| change.from));
        dates.filter(|from| *from > now).min()
    }
}

impl TryFrom<SiteTreeText> for SiteTree {
    type Error = fault::TreeError;

    fn try_from(text: SiteTreeText) -> Result<Self, Self::Error> {
        Self::new(text.circuits, text.evses)
    }
}

impl From<SiteTree> for SiteTreeText {
    fn from(tree: SiteTree) -> Self {
        Self { circuits: tree.circuits, evses: tree.evses }
    }
}
