//! Draws a site: a tree of panels below a grid connection, sockets on one or three lines, stations of every kind.

use fastrand::Rng;
use ringmain_domain::id::{CircuitId, EvseId, StationId};
use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::tree::{Circuit, Connection, Evse, EvseKey, Limit, Line, Output, SiteTree};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::{Milliamps, Watts};

use super::station::Nature;

pub(crate) const RATED: Milliamps = Milliamps(32_000);

pub(crate) const MINIMUM: Milliamps = Milliamps(6_000);
pub(crate) const STEP: Milliamps = Milliamps(1_000);
/// Some need more than others, and no whole number of steps.
const HIGHER_MINIMUM: Milliamps = Milliamps(7_500);
const VOLTAGE_V: u32 = 230;

/// Sockets on one line of one circuit.
pub(crate) fn row_of_sockets(count: usize, limit: Milliamps, fallback: Milliamps) -> SiteTree {
    let grid = CircuitId::new("grid").unwrap();
    let evses = (0..count).map(|slot| socket(slot, grid.clone(), &[Line::L1], fallback)).collect();
    SiteTree::new(vec![Circuit::new(grid, None, [limit; 3])], evses).unwrap()
}

/// Its place in the tree's order is its slot.
fn socket(slot: usize, circuit: CircuitId, lines: &[Line], fallback: Milliamps) -> Evse {
    Evse {
        key: EvseKey { station: StationId::new(&format!("CS-{slot:04}")).unwrap(), evse: EvseId(1) },
        circuit,
        voltage_v: VOLTAGE_V,
        lines: lines.to_vec(),
        connection: Connection::Neutral,
        output: Output::Ac,
        min_ma: MINIMUM,
        max_ma: RATED,
        step_ma: STEP,
        can_switch_phases: false,
        rated_ma: RATED,
        fallback_ma: fallback,
    }
}

/// A tree of up to three levels whose limits are between the sum of fallbacks and the sum of ratings.
pub(crate) fn tree(rng: &mut Rng, evses: usize, fallback: Milliamps) -> SiteTree {
    let panels = 1 + evses / 12;
    let feeders = 1 + panels / 6;
    let scarce = |rng: &mut Rng, below: usize| {
        let count = i64::try_from(below.max(1)).unwrap();
        // The grid connection is scarcer than the panels below it.
        let share = Milliamps((fallback.0 + 1_000) * count);
        [(); 3].map(|()| Milliamps(share.0 + rng.i64(0..=(RATED.0 - fallback.0) * count / 2) + 6_000))
    };
    let id = |name: String| CircuitId::new(&name).unwrap();
    let mut circuits = vec![Circuit::new(id("grid".into()), None, scarce(rng, evses))];
    for feeder in 0..feeders {
        let limit = scarce(rng, evses.div_ceil(feeders) + 12);
        circuits.push(Circuit::new(id(format!("feeder-{feeder}")), Some(id("grid".into())), limit));
    }
    for panel in 0..panels {
        let parent = id(format!("feeder-{}", panel % feeders));
        circuits.push(Circuit::new(id(format!("panel-{panel}")), Some(parent), scarce(rng, 13)));
    }
    // Now and then the grid connection has a limit of power too: half of what all sockets take.
    if rng.u8(..4) == 0 {
        let count = i64::try_from(evses).unwrap();
        circuits[0].limit.power_w = Some(Watts(count * i64::from(VOLTAGE_V) * 3 * RATED.0 / 2_000));
    }
    let evse = |slot: usize, rng: &mut Rng| {
        let turned =
            [[Line::L1, Line::L2, Line::L3], [Line::L2, Line::L3, Line::L1], [Line::L3, Line::L1, Line::L2]];
        let lines = turned[slot % 3];
        let lines = if rng.u8(..4) == 0 { &lines[..1] } else { &lines[..] };
        let socket = socket(slot, id(format!("panel-{}", slot % panels)), lines, fallback);
        Evse { min_ma: if slot % 4 == 3 { HIGHER_MINIMUM } else { MINIMUM }, ..socket }
    };
    let evses = (0..evses).map(|slot| evse(slot, rng)).collect();
    SiteTree::new(circuits, evses).unwrap()
}

/// What each circuit may carry when its limits are scaled to so many per mille: never less than the fallbacks below it need.
pub(crate) fn cuts(tree: &SiteTree, permille: i64) -> Vec<Limit> {
    let mut cuts: Vec<Limit> = tree.circuits().iter().map(|circuit| circuit.limit).collect();
    for (place, cut) in cuts.iter_mut().enumerate() {
        let below = (0..tree.evses().len()).filter(|slot| tree.path(*slot).contains(&place));
        let below: Vec<&Evse> = below.map(|slot| &tree.evses()[slot]).collect();
        let on = |line| {
            below.iter().filter(|evse| evse.lines.contains(&line)).map(|evse| evse.fallback_ma.0).sum()
        };
        let floors: [i64; 3] = Line::ALL.map(on);
        let power: i64 = floors.iter().sum::<i64>() * i64::from(VOLTAGE_V);
        let scaled = |value: i64, floor: i64| (value * permille / 1_000).max(floor);
        cut.line_ma = cut
            .line_ma
            .map(|lines| Line::ALL.map(|line| Milliamps(scaled(line.of(lines).0, line.of(floors)))));
        cut.power_w = cut.power_w.map(|watts| Watts(scaled(watts.0, power / 1_000 + 1)));
    }
    cuts
}

/// The ledger's rows under these limits. Every line an EVSE is wired to counts.
pub(crate) fn rows(tree: &SiteTree, cuts: &[Limit]) -> Vec<Row> {
    let wired = |evse: &Evse| Line::ALL.map(|line| evse.lines.contains(&line));
    let used: Vec<_> = tree.evses().iter().map(wired).collect();
    let mut rows = tree.rows(Timestamp::default());
    for (place, cut) in cuts.iter().enumerate() {
        if let Some(lines) = cut.line_ma {
            rows.cap_lines(place, lines);
        }
        if let Some(power) = cut.power_w {
            rows.cap_power(place, power);
        }
    }
    Row::all(&rows, &used)
}

/// For each EVSE the rows it counts in, with its coefficient.
pub(crate) fn uses(rows: &[Row], evses: usize) -> Vec<Vec<(usize, i64)>> {
    let mut uses = vec![Vec::new(); evses];
    for (place, row) in rows.iter().enumerate() {
        for (slot, coefficient) in &row.users {
            uses[*slot].push((place, *coefficient));
        }
    }
    uses
}

/// One station of the field: 15 % apply within 30 s, the rest within 4 s.
pub(crate) fn nature(rng: &mut Rng, odd: bool) -> Nature {
    let mut often = |percent: u8| odd && rng.u8(..100) < percent;
    let (careless, deaf, honours_end) = (often(20), often(2), often(50));
    let (offline_end, keeps_profile, clock) = (often(20), often(10), often(50));
    Nature {
        apply_max_ms: if rng.u8(..100) < 15 { 30_000 } else { 4_000 },
        careless,
        deaf,
        honours_end,
        offline_end_ms: offline_end.then_some(120_000),
        keeps_profile,
        clock_ms: if clock { rng.i64(-90_000..=90_000) } else { 0 },
    }
}
