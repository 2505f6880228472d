//! The transition experiment (charging.md 5.5): 40 sockets on one line of 400 A, more cars than current, stations offline 7 % of the time,
//! 1 % of calls lost, 15 % of stations that apply up to 30 s late. Our ledger with both fallbacks, and two ways without one that show that
//! the experiment can fail: they share out what connected cars draw and forget the others. A car stays two hours in the mean.

use fastrand::Rng;
use ringmain_domain::unit::Milliamps;

use super::faults::{Faults, Planted};
use super::station::Station;
use super::unguarded::{Control, Watch};
use super::world::World;
use super::{draw, number};

const SOCKETS: usize = 40;
const HOURS: i64 = 6;
const FAULTS: Faults = Faults {
    lost_permille: 10,
    outage_mean_ms: 300_000,
    online_mean_ms: Some(4_000_000),
    stay_mean_ms: 7_200_000,
    gap_mean_ms: 240_000,
    odd: false,
};
/// Twice as many comings and goings.
const BUSY: Faults = Faults { stay_mean_ms: 3_600_000, gap_mean_ms: 120_000, ..FAULTS };

struct Result {
    over_s_per_hour: i64,
    excess_permille: i64,
    used_permille: i64,
    calls_per_evse_hour: i64,
}

fn experiment(control: Control, faults: Faults, fallback: Milliamps, runs: u64) -> Result {
    let mut watch = Watch::default();
    for seed in 1..=runs {
        let mut rng = Rng::with_seed(seed);
        let tree = draw::row_of_sockets(SOCKETS, Milliamps(400_000), fallback);
        let stations = (0..SOCKETS).map(|_| Station::new(draw::nature(&mut rng, false), fallback)).collect();
        let mut world = World::new(rng, tree, stations, faults, Planted::Nothing);
        world.watch(control);
        world.run(HOURS * 3_600_000);
        watch.add(&world.watch);
    }
    let hours = HOURS * i64::try_from(runs).unwrap();
    let sockets = i64::try_from(SOCKETS).unwrap();
    Result {
        over_s_per_hour: (watch.over_s + hours - 1) / hours,
        excess_permille: (watch.excess_ma_max * 1_000 + 399_999) / 400_000,
        used_permille: watch.drawn * 1_000 / watch.available.max(1),
        calls_per_evse_hour: watch.calls / hours / sockets,
    }
}

fn told(name: &str, result: &Result) -> String {
    format!(
        "| {name} | {} | {}.{} % | {}.{} % | {} |",
        result.over_s_per_hour,
        result.excess_permille / 10,
        result.excess_permille % 10,
        result.used_permille / 10,
        result.used_permille % 10,
        result.calls_per_evse_hour
    )
}

#[test]
fn the_ledger_keeps_the_limit_and_uses_the_current() {
    println!(
        "| controller | over the limit, s per hour | highest excess | current used | calls per EVSE and hour |"
    );
    let runs = number("RUNS", 4);
    let at_once = experiment(Control::AllAtOnce, FAULTS, Milliamps(6_000), runs);
    println!("{}", told("all limits sent at once", &at_once));
    let lower_first = experiment(Control::LowerFirst, FAULTS, Milliamps(6_000), runs);
    println!("{}", told("lowers first, then raises", &lower_first));
    let six = experiment(Control::Ledger, FAULTS, Milliamps(6_000), runs);
    println!("{}", told("ledger, fallback 6 A", &six));
    let zero = experiment(Control::Ledger, FAULTS, Milliamps::ZERO, runs);
    println!("{}", told("ledger, fallback 0 A", &zero));
    let busy = experiment(Control::Ledger, BUSY, Milliamps::ZERO, runs);
    println!("{}", told("ledger, fallback 0 A, twice as many cars", &busy));
    assert!(at_once.over_s_per_hour > 60 && lower_first.over_s_per_hour > 30, "the experiment cannot fail");
    for ledger in [&six, &zero, &busy] {
        assert_eq!((ledger.over_s_per_hour, ledger.excess_permille), (0, 0));
    }
    assert!(busy.used_permille >= 950, "{} per mille with twice as many cars", busy.used_permille);
    assert!(zero.used_permille >= 980, "{} per mille with 0 A", zero.used_permille);
    assert!(six.used_permille >= 930, "{} per mille with 6 A", six.used_permille);
}
