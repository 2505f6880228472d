//! How long a plan takes for a full site: a four-level tree with limits per phase, every EVSE with a car.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ringmain_domain::id::{CircuitId, EvseId, StationId};
use ringmain_domain::load::demand::{Demand, Memory, Trust};
use ringmain_domain::load::forecast::{Picture, forecast};
use ringmain_domain::load::plan::plan;
use ringmain_domain::load::supply::{CircuitSupply, PriceWindow, Supply};
use ringmain_domain::load::tree::{Circuit, Connection, Evse, EvseKey, Line, Output, SiteTree};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::{Milliamps, WattHours, Watts};

/// 2026-03-01T08:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_772_352_000_000);
/// Panels of ten sockets, feeders of five panels, transformers of four feeders.
const SOCKETS: usize = 10;
const PANELS: usize = 5;
const FEEDERS: usize = 4;
/// One grid connection feeds all transformers.
const ANY: usize = usize::MAX;

/// A third of what all sockets could draw at the top, half of it below: rows of every level are full.
fn amps(sockets: usize, part: usize) -> [Milliamps; 3] {
    let most = i64::try_from(sockets * 32_000 / part).unwrap();
    [Milliamps(most), Milliamps(most * 9 / 10), Milliamps(most * 11 / 10)]
}

fn circuit_id(level: &str, number: usize) -> CircuitId {
    CircuitId::new(&format!("{level}{number}")).unwrap()
}

fn site(sockets: usize) -> SiteTree {
    let root = circuit_id("grid", 0);
    let mut circuits = vec![Circuit::new(root.clone(), None, amps(sockets, 3))];
    let level = |name: &'static str, below: &'static str, size: usize, fed_by_one: usize, part: usize| {
        (0..sockets.div_ceil(size)).map(move |number| {
            Circuit::new(
                circuit_id(name, number),
                Some(circuit_id(below, number / fed_by_one)),
                amps(size.min(sockets), part),
            )
        })
    };
    circuits.extend(level("feeder", "grid", SOCKETS * PANELS * FEEDERS, ANY, 2));
    circuits.extend(level("panel", "feeder", SOCKETS * PANELS, FEEDERS, 2));
    circuits.extend(level("cabinet", "panel", SOCKETS, PANELS, 2));
    let evses = (0..sockets).map(|number| {
        let [a, b, c] = Line::ALL;
        let lines = match number % 3 {
            0 => vec![a, b, c],
            1 => vec![b, c, a],
            _ => vec![c, a, b],
        };
        Evse {
            key: key(number),
            circuit: circuit_id("cabinet", number / SOCKETS),
            voltage_v: 230,
            lines,
            connection: Connection::Neutral,
            output: Output::Ac,
            min_ma: Milliamps(6_000),
            max_ma: Milliamps(32_000),
            step_ma: Milliamps(1_000),
            can_switch_phases: false,
            rated_ma: Milliamps(32_000),
            fallback_ma: Milliamps::ZERO,
        }
    });
    SiteTree::new(circuits, evses.collect()).unwrap()
}

fn key(number: usize) -> EvseKey {
    EvseKey { station: StationId::new(&format!("CS-{number:04}")).unwrap(), evse: EvseId(1) }
}

/// Cars of many needs: some on one line, some trusted, some quiet, some waiting.
fn demands(sockets: usize) -> Vec<Demand> {
    let car = |number: usize| {
        let spread = i64::try_from(number * 7_919 % 1_000).unwrap();
        let since = NOW.plus_secs(-spread * 4);
        let one_line = [0, u8::MAX, u8::MAX];
        Demand {
            energy_wh: Some(WattHours(5_000 + spread * 60)),
            departs_at: Some(NOW.plus_secs(3_600 + spread * 30)),
            trust: Trust { departure: number.is_multiple_of(10), energy: number.is_multiple_of(10) },
            weight_permille: if number.is_multiple_of(7) { 2_000 } else { 1_000 },
            memory: Memory {
                on_since: (!number.is_multiple_of(4)).then_some(since),
                off_since: number.is_multiple_of(4).then_some(since),
                quiet_samples: if number.is_multiple_of(11) { 2 } else { 0 },
                idle_samples: if number.is_multiple_of(3) && number.is_multiple_of(2) {
                    one_line
                } else {
                    [0; 3]
                },
                learnt_cap_ma: number.is_multiple_of(5).then_some(Milliamps(16_000)),
                ..Memory::default()
            },
            ..Demand::new(key(number), NOW.plus_secs(-7_200))
        }
    };
    (0..sockets).map(car).collect()
}

/// A price window for some hours: the plan is played forward first, to see whether a trusted departure would be missed.
fn price_window(sockets: usize, hours: i64) -> Supply {
    let charging_w = Watts(i64::try_from(sockets * 2_000).unwrap());
    let window = PriceWindow { from: NOW.plus_secs(-60), until: NOW.plus_secs(hours * 3_600), charging_w };
    let known = CircuitSupply { windows: vec![window], ..CircuitSupply::default() };
    Supply { circuits: [(circuit_id("grid", 0), known)].into(), ..Supply::default() }
}

fn planning(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    for sockets in [100, 2_000] {
        let (site, demands) = (site(sockets), demands(sockets));
        for (name, supply) in
            [("four levels", Supply::default()), ("four levels, price window", price_window(sockets, 4))]
        {
            group.bench_function(BenchmarkId::new(name, sockets), |bencher| {
                bencher.iter(|| plan(black_box(&site), black_box(&demands), &supply, NOW));
            });
        }
    }
    group.finish();
}

/// A day ahead, at its worst: all stay and want more than a day brings.
fn looking_ahead(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("forecast");
    group.sample_size(10);
    for sockets in [100, 200, 2_000] {
        for (name, supply) in
            [("a day", Supply::default()), ("a day, price window", price_window(sockets, 24))]
        {
            let (tree, mut demands) = (site(sockets), demands(sockets));
            for demand in &mut demands {
                demand.energy_wh = Some(WattHours(90_000));
                demand.departs_at = Some(NOW.plus_secs(86_400));
                demand.trust.departure = true;
            }
            let picture = Picture { now: NOW, tree, demands, supply, unreachable: BTreeSet::new() };
            group.bench_function(BenchmarkId::new(name, sockets), |bencher| {
                bencher.iter(|| forecast(black_box(&picture)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, planning, looking_ahead);
criterion_main!(benches);
