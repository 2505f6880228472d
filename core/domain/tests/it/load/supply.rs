//! What is given: readings and their age, limits from outside, sun, battery, price.

use ringmain_domain::load::demand::{Demand, Memory, Trust};
use ringmain_domain::load::plan::plan;
use ringmain_domain::load::policy::Policy;
use ringmain_domain::load::supply::{
    Battery, CircuitSupply, PeakTarget, PriceWindow, Reading, Readings, Signal, SolarOnly, Supply,
};
use ringmain_domain::load::tree::{Limit, Line, SiteTree};
use ringmain_domain::unit::{Milliamps, WattHours, Watts};

use super::plan::{NOW, car, site, told};
use super::site::{circuit, circuit_id, socket, tree};

fn amps(value: i64) -> [Milliamps; 3] {
    [Milliamps(value * 1_000); 3]
}

/// Readings so many seconds ago, in A on each line.
fn readings(ago: &[(i64, i64)]) -> Readings {
    ago.iter().map(|(secs, value)| Reading { at: NOW.plus_secs(-secs), line_ma: amps(*value) }).collect()
}

fn share(tree: &SiteTree, known: CircuitSupply) -> String {
    let supply = Supply { circuits: [(circuit_id("grid"), known)].into(), ..Supply::default() };
    told(&plan(tree, &[car("A")], &supply, NOW)).remove(0)
}

/// 40 A, designed for 20 A of building load.
fn with_building() -> SiteTree {
    let mut grid = circuit("grid", None, 40);
    grid.design_load_ma = amps(20);
    tree(vec![grid], vec![socket("A", "grid", &Line::ALL)]).unwrap()
}

#[test]
fn the_highest_load_of_the_last_minute_counts_and_a_stale_one_at_its_worst() {
    let known = |building: Readings| CircuitSupply { building, ..CircuitSupply::default() };
    for (building, expected) in [
        (readings(&[(50, 12), (10, 9)]), "A 28000 grid phase L1 full"),
        (readings(&[(61, 12), (10, 9)]), "A 31000 grid phase L1 full"),
        // Stale: the design load.
        (readings(&[(61, 12)]), "A 20000 grid phase L1 full"),
        (readings(&[]), "A 20000 grid phase L1 full"),
        // Negative where it cannot be.
        (readings(&[(10, -3)]), "A 20000 grid phase L1 full"),
    ] {
        assert_eq!(share(&with_building(), known(building)), expected);
    }
    let rough = CircuitSupply { highest_24h_ma: amps(25), ..known(readings(&[])) };
    assert_eq!(share(&with_building(), rough), "A 15000 grid phase L1 full");
    let export = CircuitSupply { may_export: true, ..known(readings(&[(10, -3)])) };
    assert_eq!(share(&with_building(), export), "A 32000 at its maximum");
    let absurd = CircuitSupply { breaker_ma: Some(Milliamps(63_000)), ..known(readings(&[(10, 64)])) };
    assert_eq!(share(&with_building(), absurd), "A 20000 grid phase L1 full");
}

#[test]
fn what_a_battery_below_takes_counts_at_every_circuit_above_it() {
    let feeder = circuit("feeder", Some("grid"), 100);
    let tree =
        tree(vec![circuit("grid", None, 40), feeder], vec![socket("A", "feeder", &Line::ALL)]).unwrap();
    let metered = CircuitSupply { building: readings(&[(10, 10)]), ..CircuitSupply::default() };
    let battery = |at_s: i64| Battery {
        at: NOW.plus_secs(-at_s),
        promised_ma: amps(0),
        charging_ma: amps(8),
        charging_max_ma: amps(14),
    };
    for (battery, expected) in [
        (None, "A 30000 grid phase L1 full"),
        (Some(battery(10)), "A 22000 grid phase L1 full"),
        (Some(battery(3_600)), "A 16000 grid phase L1 full"),
    ] {
        let below = CircuitSupply { battery, ..CircuitSupply::default() };
        let circuits = [(circuit_id("grid"), metered.clone()), (circuit_id("feeder"), below)].into();
        let supply = Supply { circuits, ..Supply::default() };
        assert_eq!(told(&plan(&tree, &[car("A")], &supply, NOW)).remove(0), expected);
    }
}

#[test]
fn a_meter_that_stands_still_while_cars_change_is_frozen() {
    let policy = Policy::default();
    let observe = |behind: fn(i64) -> i64| {
        let mut building = Readings::default();
        for minute in 0..=20 {
            let at = NOW.plus_secs((minute - 20) * 60);
            let cars = amps(behind(minute));
            // The meter always tells 30 A; the rest is what the cars did not draw.
            let line_ma = Line::ALL.map(|line| Milliamps(30_000).minus(line.of(cars)));
            building.observe(Reading { at, line_ma }, Some(cars), &policy);
        }
        share(&with_building(), CircuitSupply { building, ..CircuitSupply::default() })
    };
    assert_eq!(observe(|_| 24), "A 32000 at its maximum");
    assert_eq!(observe(|minute| if minute < 10 { 20 } else { 24 }), "A 20000 grid phase L1 full");
}

#[test]
fn a_limit_from_outside_counts_while_it_holds_and_is_named() {
    let signal = |from: i64, until: Option<i64>| CircuitSupply {
        building: readings(&[(1, 0)]),
        signals: vec![Signal {
            source: "grid operator".into(),
            from: NOW.plus_secs(from),
            until: until.map(|until| NOW.plus_secs(until)),
            limit: Limit { line_ma: Some(amps(10)), power_w: None },
        }],
        ..CircuitSupply::default()
    };
    assert_eq!(
        share(&with_building(), signal(-5, Some(5))),
        "A 10000 grid phase L1 full (limit of grid operator)"
    );
    assert_eq!(share(&with_building(), signal(-5, Some(0))), "A 32000 at its maximum");
    assert_eq!(share(&with_building(), signal(1, None)), "A 32000 at its maximum");
    let supply = Supply { circuits: [(circuit_id("grid"), signal(1, None))].into(), ..Supply::default() };
    assert_eq!(plan(&with_building(), &[], &supply, NOW).next_at, Some(NOW.plus_secs(1)));
}

#[test]
fn a_peak_target_is_what_is_left_of_the_quarter() {
    let peak = |secs: i64, energy: i64| PeakTarget {
        target_w: Watts(10_000),
        quarter_from: NOW.plus_secs(-secs),
        energy_wh: WattHours(energy),
    };
    // 10 kW for a quarter are 2.5 kWh.
    assert_eq!(peak(0, 0).power(NOW), Watts(10_000));
    assert_eq!(peak(450, 500).power(NOW), Watts(16_000));
    assert_eq!(peak(450, 2_600).power(NOW), Watts(0));
    assert_eq!(peak(900, 2_600).power(NOW), Watts(10_000));
    let known =
        CircuitSupply { building: readings(&[(1, 2)]), peak: Some(peak(0, 0)), ..CircuitSupply::default() };
    // 10 kW less 2 A x 3 x 230 V: 12.49 A.
    assert_eq!(share(&with_building(), known), "A 12000 grid power full (peak target)");
}

#[test]
fn a_battery_that_promises_gives_room_and_is_asked_for_what_is_used() {
    let battery = |secs: i64| Battery {
        at: NOW.plus_secs(-secs),
        promised_ma: amps(10),
        charging_ma: amps(0),
        charging_max_ma: amps(5),
    };
    let known = |secs: i64| CircuitSupply {
        building: readings(&[(1, 15)]),
        battery: Some(battery(secs)),
        ..CircuitSupply::default()
    };
    let supply = Supply { circuits: [(circuit_id("grid"), known(5))].into(), ..Supply::default() };
    let made = plan(&with_building(), &[car("A")], &supply, NOW);
    assert_eq!(told(&made), ["A 32000 at its maximum"]);
    // 15 A and 32 A are 7 A more than the connection.
    assert_eq!(made.notes[0].battery_ma, amps(7));
    // Silent: it may be charging.
    assert_eq!(share(&with_building(), known(61)), "A 20000 grid phase L1 full");
}

#[test]
fn solar_only_takes_the_surplus_and_bridges_a_cloud_at_the_minimum() {
    let solar = |surplus_w: i64, enough_minutes_ago: i64| CircuitSupply {
        building: readings(&[(1, 0)]),
        solar_only: Some(SolarOnly {
            surplus_w: Watts(surplus_w),
            at: NOW,
            enough_at: Some(NOW.plus_secs(-60 * enough_minutes_ago)),
        }),
        ..CircuitSupply::default()
    };
    let site = site(40, &["A"]);
    let made = |known: CircuitSupply| {
        let on = Memory { on_since: Some(NOW.plus_secs(-3_600)), ..Memory::default() };
        let supply = Supply { circuits: [(circuit_id("grid"), known)].into(), ..Supply::default() };
        let made = plan(&site, &[Demand { memory: on, ..car("A") }], &supply, NOW);
        (told(&made).remove(0), made.notes[0].solar_enough)
    };
    assert_eq!(
        made(solar(7_000, 0)),
        ("A 10000 grid power full (solar surplus only)".to_owned(), Some(true))
    );
    assert_eq!(made(solar(500, 29)), ("A 6000 grid power full (solar surplus only)".to_owned(), Some(false)));
    assert!(made(solar(500, 30)).0.starts_with("A 0 "));
}

#[test]
fn a_price_window_holds_back_unless_a_trusted_departure_would_be_missed() {
    let window = PriceWindow { from: NOW, until: NOW.plus_secs(2 * 3_600), charging_w: Watts(5_000) };
    let known =
        CircuitSupply { building: readings(&[(1, 0)]), windows: vec![window], ..CircuitSupply::default() };
    let supply = Supply { circuits: [(circuit_id("grid"), known)].into(), ..Supply::default() };
    let site = site(40, &["A", "B"]);
    let leaves = |hours: i64| Demand {
        departs_at: Some(NOW.plus_secs(hours * 3_600)),
        energy_wh: Some(WattHours(20_000)),
        trust: Trust { departure: true, energy: true },
        ..car("A")
    };
    // 20 kWh are an hour at 29 A: time enough after the window.
    let patient = plan(&site, &[leaves(4), car("B")], &supply, NOW);
    assert_eq!(patient.shares.iter().map(|share| share.current.0).sum::<i64>(), 7_000);
    assert!(told(&patient)[1].contains("price window until 10:00 UTC"), "{:?}", told(&patient));
    assert!(!patient.notes[0].windows_lifted);
    let hurried = plan(&site, &[leaves(2), car("B")], &supply, NOW);
    assert!(hurried.notes[0].windows_lifted);
    assert_eq!(hurried.shares.iter().map(|share| share.current.0).sum::<i64>(), 40_000);
}

/// Ahead every meter is silent. If that counted as its design load, here all of the limit, every departure would look missed.
#[test]
fn a_look_ahead_takes_readings_as_they_are() {
    let window = PriceWindow { from: NOW, until: NOW.plus_secs(2 * 3_600), charging_w: Watts(5_000) };
    let known =
        CircuitSupply { building: readings(&[(1, 0)]), windows: vec![window], ..CircuitSupply::default() };
    let supply = Supply { circuits: [(circuit_id("grid"), known)].into(), ..Supply::default() };
    let mut grid = circuit("grid", None, 40);
    grid.design_load_ma = amps(40);
    let site = tree(vec![grid], vec![socket("A", "grid", &Line::ALL)]).unwrap();
    let patient = Demand {
        departs_at: Some(NOW.plus_secs(4 * 3_600)),
        energy_wh: Some(WattHours(20_000)),
        trust: Trust { departure: true, energy: true },
        ..car("A")
    };
    assert!(!plan(&site, &[patient], &supply, NOW).notes[0].windows_lifted);
}

#[test]
fn a_panel_without_a_reading_loads_what_is_above_it() {
    let mut panel = circuit("panel", Some("grid"), 63);
    panel.design_load_ma = amps(20);
    let evses = vec![socket("A", "grid", &Line::ALL)];
    let site = tree(vec![circuit("grid", None, 40), panel], evses).unwrap();
    assert_eq!(told(&plan(&site, &[car("A")], &Supply::default(), NOW)), ["A 20000 grid phase L1 full"]);
    // The grid's own meter sees the panel's load.
    let known = CircuitSupply { building: readings(&[(1, 12)]), ..CircuitSupply::default() };
    assert_eq!(share(&site, known), "A 28000 grid phase L1 full");
}

#[test]
fn a_supply_is_written_and_read_alike() {
    let known = CircuitSupply { building: readings(&[(9, 3), (1, 2)]), ..CircuitSupply::default() };
    let supply = Supply { circuits: [(circuit_id("grid"), known)].into(), ..Supply::default() };
    let text = serde_json::to_string(&supply).unwrap();
    assert_eq!(serde_json::from_str::<Supply>(&text).unwrap(), supply);
}
