//! Is it a tree, and does it hold when every station falls back at once?

use std::collections::{BTreeMap, BTreeSet};

use crate::id::CircuitId;
use crate::load::rows::RowKind;
use crate::unit::Milliamps;

use super::fault::{TreeError, TreeFault};
use super::{
    Circuit, Connection, Evse, Firmness, Line, MAX_CIRCUITS, MAX_EVSES, MAX_LEVELS, Output, SiteTree,
};

/// A current that no site has: figures above it are typing errors, and below it no sum overflows. 1 MA.
const MAX_MA: i64 = 1_000_000_000;
/// 1 GW, for the same reason.
const MAX_W: i64 = 1_000_000_000;

/// The path of every circuit to the grid connection, itself first.
pub(super) fn shape(circuits: &[Circuit], evses: &[Evse]) -> Result<Vec<Vec<usize>>, TreeError> {
    let mut faults = Vec::new();
    if circuits.len() > MAX_CIRCUITS {
        faults.push(TreeFault::TooManyCircuits { count: circuits.len() });
    }
    if evses.len() > MAX_EVSES {
        faults.push(TreeFault::TooManyEvses { count: evses.len() });
    }
    // Beyond the bounds nothing else is looked at: the check itself must stay cheap.
    TreeError::unless_empty(std::mem::take(&mut faults))?;

    let mut places: BTreeMap<&CircuitId, usize> = BTreeMap::new();
    for (place, circuit) in circuits.iter().enumerate() {
        if places.insert(&circuit.id, place).is_some() {
            faults.push(TreeFault::DuplicateCircuit { circuit: circuit.id.clone() });
        }
        figures(circuit, &mut faults);
    }
    roots(circuits, &mut faults);
    let paths: Vec<Vec<usize>> = (0..circuits.len())
        .map(|place| {
            path(circuits, &places, place).unwrap_or_else(|fault| {
                faults.push(fault);
                Vec::new()
            })
        })
        .collect();
    for (place, evse) in evses.iter().enumerate() {
        if place
            .checked_sub(1)
            .and_then(|before| evses.get(before))
            .is_some_and(|other| other.key == evse.key)
        {
            faults.push(TreeFault::DuplicateEvse { evse: evse.key.clone() });
        }
        if !places.contains_key(&evse.circuit) {
            faults.push(TreeFault::UnknownCircuit { evse: evse.key.clone(), circuit: evse.circuit.clone() });
        }
        socket(evse, &mut faults);
    }
    phasors(circuits, evses, &places, &paths, &mut faults);
    TreeError::unless_empty(faults).map(|()| paths)
}

fn roots(circuits: &[Circuit], faults: &mut Vec<TreeFault>) {
    let mut without_parent = circuits.iter().filter(|circuit| circuit.parent.is_none());
    let Some(root) = without_parent.next() else {
        return faults.push(TreeFault::NoRoot);
    };
    faults.extend(
        without_parent.map(|other| TreeFault::TwoRoots { first: root.id.clone(), second: other.id.clone() }),
    );
    if root.phasors.is_empty() {
        let open = root.limits().position(|limit| limit.line_ma.is_none() && limit.power_w.is_none());
        faults.extend(
            open.map(|place| TreeFault::UnlimitedRoot { circuit: root.id.clone(), later: place > 0 }),
        );
    }
}

fn path(
    circuits: &[Circuit],
    places: &BTreeMap<&CircuitId, usize>,
    start: usize,
) -> Result<Vec<usize>, TreeFault> {
    let mut path = vec![start];
    let mut here = circuits.get(start);
    while let Some(circuit) = here {
        let Some(parent) = &circuit.parent else { break };
        let unknown = || TreeFault::UnknownParent { circuit: circuit.id.clone(), parent: parent.clone() };
        let place = places.get(parent).copied().ok_or_else(unknown)?;
        let named = |place: usize| circuits.get(place).unwrap_or(circuit).id.clone();
        if path.contains(&place) {
            return Err(TreeFault::Cycle { circuit: named(start) });
        }
        if path.len() == MAX_LEVELS {
            return Err(TreeFault::TooDeep { circuit: named(start) });
        }
        path.push(place);
        here = circuits.get(place);
    }
    Ok(path)
}

fn figures(circuit: &Circuit, faults: &mut Vec<TreeFault>) {
    let negative = |what| TreeFault::Negative { circuit: circuit.id.clone(), what };
    let is_wrong = |value: &Milliamps| value.0 < 0 || value.0 > MAX_MA;
    for limit in circuit.limits() {
        if limit.line_ma.is_some_and(|lines| lines.iter().any(is_wrong)) {
            faults.push(negative("a limit per line"));
        }
        if limit.power_w.is_some_and(|power| power.0 < 0 || power.0 > MAX_W) {
            faults.push(negative("a limit of power"));
        }
    }
    if circuit.phasors.iter().any(|row| is_wrong(&row.limit_ma)) {
        faults.push(negative("the limit of a phasor row"));
    }
    if circuit.design_load_ma.iter().any(is_wrong) {
        faults.push(negative("the design load"));
    }
    if circuit.margin_ma.iter().any(is_wrong) {
        faults.push(negative("the margin"));
    }
    if !circuit.changes.is_sorted_by_key(|change| change.from) {
        faults.push(TreeFault::ChangesUnordered { circuit: circuit.id.clone() });
    }
}

fn socket(evse: &Evse, faults: &mut Vec<TreeFault>) {
    let mut check = |is_wrong: bool, what: &'static str| {
        if is_wrong {
            faults.push(TreeFault::BadEvse { evse: evse.key.clone(), what });
        }
    };
    let lines: BTreeSet<Line> = evse.lines.iter().copied().collect();
    check(evse.voltage_v == 0, "its voltage is zero");
    check(evse.voltage_v > 1_500, "its voltage is above 1,500 V");
    check(
        lines.is_empty() || lines.len() != evse.lines.len(),
        "its lines are 1 to 3 of L1, L2, L3, each once",
    );
    check(
        evse.connection == Connection::LineToLine && lines.len() != 2,
        "between lines, it has exactly two of them",
    );
    check(evse.step_ma.0 <= 0, "its step is not above zero");
    check(evse.min_ma.0 < 0, "its minimum is negative");
    check(evse.max_ma < evse.min_ma, "its minimum is above its maximum");
    check(evse.max_ma.0 <= 0 || evse.max_ma.0 > MAX_MA, "its maximum is not a current");
    check(evse.rated_ma < evse.max_ma || evse.rated_ma.0 > MAX_MA, "its rated current is below its maximum");
    check(evse.fallback_ma.0 < 0, "its fallback is negative");
    check(evse.can_switch_phases && lines.len() != 3, "it switches phases and has not three lines");
    match evse.output {
        Output::Ac => {}
        Output::Dc { efficiency_permille } => {
            check(lines.len() != 3, "it is DC and does not take its power from three lines");
            check(
                efficiency_permille == 0 || efficiency_permille > 1_000,
                "its efficiency is 1 to 1,000 permille",
            );
            check(evse.can_switch_phases, "it is DC and has no phases to switch");
        }
    }
    if evse.fallback_ma > evse.max_ma {
        faults.push(TreeFault::FallbackAboveMaximum { evse: evse.key.clone(), fallback: evse.fallback_ma });
    }
}

fn phasors(
    circuits: &[Circuit],
    evses: &[Evse],
    places: &BTreeMap<&CircuitId, usize>,
    paths: &[Vec<usize>],
    faults: &mut Vec<TreeFault>,
) {
    for (place, circuit) in circuits.iter().enumerate() {
        for row in &circuit.phasors {
            let mut seen = BTreeSet::new();
            for factor in &row.factors {
                let below = evses
                    .binary_search_by(|evse| evse.key.cmp(&factor.evse))
                    .ok()
                    .and_then(|found| evses.get(found))
                    .and_then(|evse| places.get(&evse.circuit))
                    .and_then(|home| paths.get(*home))
                    .is_some_and(|path| path.contains(&place));
                let sane = factor.ratio_millionths.unsigned_abs() <= 1_000_000_000;
                if !below || !sane || !seen.insert(&factor.evse) {
                    faults.push(TreeFault::StrayPhasor {
                        circuit: circuit.id.clone(),
                        row: row.name.clone(),
                        evse: factor.evse.clone(),
                    });
                }
            }
        }
    }
}

/// G11: every station may fall back at once, while the building takes what it was designed for. Checked for every limit the
/// site ever has.
pub(super) fn fallbacks_fit(tree: &SiteTree) -> Result<(), TreeError> {
    let dates = tree.circuits.iter().flat_map(|circuit| circuit.changes.iter().map(|change| change.from));
    let mut dates: BTreeSet<_> = dates.collect();
    // Before all changes.
    dates.insert(crate::time::Timestamp::from_millis(i64::MIN));
    let fallbacks: Vec<Milliamps> = tree.evses.iter().map(|evse| evse.fallback_ma).collect();
    let mut faults: Vec<TreeFault> = Vec::new();
    for date in dates {
        let mut rows = tree.rows(date);
        for (place, circuit) in tree.circuits.iter().enumerate() {
            let design = design_load(tree, place);
            rows.add_reserve(place, Line::ALL.map(|line| line.of(design).plus(line.of(circuit.margin_ma))));
        }
        for over in rows.usage(&fallbacks).into_iter().filter(|usage| usage.load > usage.limit) {
            let Some(row) = rows.row(over.row) else { continue };
            if row.firmness == Firmness::Soft {
                continue;
            }
            let unit = if row.kind == RowKind::Power { "mW" } else { "mA" };
            let fault = TreeFault::FallbacksOverLimit {
                circuit: row.circuit.clone(),
                row: row.kind.to_string().into(),
                load: format!("{} {unit}", over.load).into(),
                limit: format!("{} {unit}", over.limit).into(),
            };
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
    }
    TreeError::unless_empty(faults)
}

/// The uncontrolled load a circuit was designed for: its own figure, or what the circuits below it expect together.
fn design_load(tree: &SiteTree, place: usize) -> [Milliamps; 3] {
    let own = tree.circuits.get(place).map_or([Milliamps::ZERO; 3], |circuit| circuit.design_load_ma);
    let below = tree.layout.children(place).iter().map(|child| design_load(tree, *child));
    let below = below
        .fold([Milliamps::ZERO; 3], |sum, child| Line::ALL.map(|line| line.of(sum).plus(line.of(child))));
    Line::ALL.map(|line| line.of(own).max(line.of(below)))
}
