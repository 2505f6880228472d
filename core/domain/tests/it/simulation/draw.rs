//! Draws a site: a tree of panels below a grid connection, sockets on one or three lines, stations of every kind.

use fastrand::Rng;
use ringmain_domain::id::{CircuitId, EvseId, StationId};
use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::tree::{Circuit, Connection, Evse, EvseKey, Line, Output, SiteTree};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

use super::station::Nature;

pub(crate) const RATED: Milliamps = Milliamps(32_000);

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
    let evse = |slot: usize, rng: &mut Rng| {
        let turned =
            [[Line::L1, Line::L2, Line::L3], [Line::L2, Line::L3, Line::L1], [Line::L3, Line::L1, Line::L2]];
        let lines = turned[slot % 3];
        Evse {
            key: EvseKey { station: StationId::new(&format!("CS-{slot:04}")).unwrap(), evse: EvseId(1) },
            circuit: id(format!("panel-{}", slot % panels)),
            voltage_v: 230,
            lines: if rng.u8(..4) == 0 { vec![lines[0]] } else { lines.to_vec() },
            connection: Connection::Neutral,
            output: Output::Ac,
            min_ma: Milliamps(6_000),
            max_ma: RATED,
            step_ma: Milliamps(1_000),
            can_switch_phases: false,
            rated_ma: RATED,
            fallback_ma: fallback,
        }
    };
    let evses = (0..evses).map(|slot| evse(slot, rng)).collect();
    SiteTree::new(circuits, evses).unwrap()
}

/// Its rows, scaled to so many per mille of their limits, never below what the fallbacks need.
pub(crate) fn rows(tree: &SiteTree, permille: i64) -> Vec<Row> {
    let wired = |evse: &Evse| Line::ALL.map(|line| evse.lines.contains(&line));
    let used: Vec<_> = tree.evses().iter().map(wired).collect();
    let fallbacks: Vec<_> = tree.evses().iter().map(|evse| evse.fallback_ma).collect();
    let mut rows = Row::all(&tree.rows(Timestamp::default()), &used);
    for row in &mut rows {
        row.limit = (row.limit / 1_000 * permille).max(row.load(&fallbacks));
    }
    rows
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
